"""REST API: a review with its runs, test runs, and launching them (docs/specification.md, section 7)."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import APIException
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.permissions import IsReviewer
from core.api.pagination import ApiPagination
from reviews.api.reviews import ReviewSerializer
from reviews.managers import ReviewQuerySet
from reviews.models import Review
from testing.api.serializers import TestRunSerializer
from testing.managers import TestRunQuerySet
from testing.models import Status, Substrate, TestResult, TestRun
from testing.runs import NotAllowed, launch_runs

MOST_TESTS = 100  # single tests of each run in a list; the run itself has all of them
MOST_RUNS = 100  # newest runs in a review's own answer; the list of test runs has all of them


def runs_with_everything(most_tests: int | None = MOST_TESTS) -> TestRunQuerySet:
    """Runs with all that their JSON shows, newest first. Two queries."""
    runs: TestRunQuerySet = TestRun.objects.select_related("review", "substrate", "requested_by").newest_first()
    tests = TestResult.objects.defer("output").order_by("position")[:most_tests]
    return runs.prefetch_related(Prefetch("results", queryset=tests, to_attr="shown_results"))


class Conflict(APIException):
    """What was asked for can't be done as things are."""

    status_code = status.HTTP_409_CONFLICT


class ReviewWithRunsSerializer(ReviewSerializer):
    """A review with its test runs, newest first."""

    test_runs = serializers.SerializerMethodField()

    class Meta(ReviewSerializer.Meta):
        fields = [*ReviewSerializer.Meta.fields, "test_runs"]
        read_only_fields = fields

    @extend_schema(responses=TestRunSerializer(many=True))
    def get_test_runs(self, review: Review) -> list[dict[str, Any]]:
        runs = runs_with_everything().filter(review=review)[:MOST_RUNS]
        return TestRunSerializer(runs, many=True).data  # type: ignore[return-value]


class ReviewDetail(RetrieveAPIView[Review]):
    """One review with its newest 100 test runs."""

    serializer_class = ReviewWithRunsSerializer
    queryset = Review.objects.for_rows()

    def get_queryset(self) -> ReviewQuerySet:
        reviews: ReviewQuerySet = super().get_queryset()
        return reviews.visible_to(self.request.user)


class TestRunFilter(django_filters.FilterSet):
    """``review`` (id), ``substrate`` (name), ``status``, ``outdated``."""

    __test__ = False

    review = django_filters.NumberFilter(field_name="review_id", min_value=1, max_value=2**63 - 1)
    substrate = django_filters.CharFilter(field_name="substrate__name", max_length=64)
    status = django_filters.MultipleChoiceFilter(choices=Status.choices, distinct=False)
    outdated = django_filters.BooleanFilter(method="by_revision")

    class Meta:
        model = TestRun
        fields: list[str] = []

    def by_revision(self, runs: TestRunQuerySet, name: str, value: bool) -> TestRunQuerySet:
        return runs.outdated() if value else runs.current()


class TestRunList(ListAPIView[TestRun]):
    """Test runs, newest first. Each shows its first 100 single tests; the run itself has all."""

    __test__ = False

    serializer_class = TestRunSerializer
    pagination_class = ApiPagination
    filter_backends = [DjangoFilterBackend]
    filterset_class = TestRunFilter
    queryset = runs_with_everything()

    def get_queryset(self) -> TestRunQuerySet:
        runs: TestRunQuerySet = super().get_queryset()
        return runs.visible_to(self.request.user)


class TestRunDetail(RetrieveAPIView[TestRun]):
    """One test run with all its single tests."""

    __test__ = False

    serializer_class = TestRunSerializer
    queryset = runs_with_everything(most_tests=None)

    def get_queryset(self) -> TestRunQuerySet:
        runs: TestRunQuerySet = super().get_queryset()
        return runs.visible_to(self.request.user)


class LaunchSerializer(serializers.Serializer[Any]):
    """What to test on."""

    substrates = serializers.SlugRelatedField(
        slug_field="name", many=True, queryset=Substrate.objects.filter(active=True), allow_empty=False
    )


class LaunchedSerializer(serializers.Serializer[Any]):
    """Runs that are new, and runs that were under way already."""

    launched = TestRunSerializer(many=True)
    already = TestRunSerializer(many=True)


class ReviewTestRuns(ListAPIView[TestRun]):
    """A review's test runs; reviewers launch more by POST."""

    serializer_class = TestRunSerializer
    pagination_class = ApiPagination
    queryset = runs_with_everything()

    def get_permissions(self) -> list[Any]:
        return [IsReviewer()] if self.request.method == "POST" else [*super().get_permissions()]

    def get_queryset(self) -> QuerySet[TestRun]:
        reviews = Review.objects.visible_to(self.request.user)
        return super().get_queryset().filter(review=get_object_or_404(reviews, pk=self.kwargs["pk"]))

    @extend_schema(request=LaunchSerializer, responses={201: LaunchedSerializer, 200: LaunchedSerializer})
    def post(self, request: Request, pk: int) -> Response:
        review = get_object_or_404(Review.objects.visible_to(request.user), pk=pk)
        asked = LaunchSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user = request.user
        try:
            result = launch_runs(
                review, asked.validated_data["substrates"], user.as_person() if isinstance(user, User) else None
            )
        except NotAllowed as reason:
            raise Conflict(str(reason)) from reason
        ids = [run.pk for run in (*result.launched, *result.already)]
        runs = {run.pk: run for run in runs_with_everything().filter(pk__in=ids)}
        answer = {
            "launched": TestRunSerializer([runs[run.pk] for run in result.launched], many=True).data,
            "already": TestRunSerializer([runs[run.pk] for run in result.already], many=True).data,
        }
        return Response(answer, status=status.HTTP_201_CREATED if result.launched else status.HTTP_200_OK)
