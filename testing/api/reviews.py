"""A review with its test runs in the REST API, and launching them (docs/specification.md, section 7)."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.permissions import IsReviewer
from core.api.errors import Conflict
from core.api.pagination import ApiPagination
from reviews.api.reviews import ReviewSerializer
from reviews.managers import ReviewQuerySet
from reviews.models import Review
from testing.api.runs import TestRunSerializer, complete_runs
from testing.managers import TestRunQuerySet
from testing.models import Substrate, TestRun
from testing.runs import NotAllowed, launch_runs

MAX_SUBSTRATES = 100  # names in one request
MAX_RUNS = 100  # newest runs in a review's own answer; the list of test runs has all of them


class ReviewWithRunsSerializer(ReviewSerializer):
    """A review with its test runs, newest first."""

    test_runs = serializers.SerializerMethodField()

    class Meta(ReviewSerializer.Meta):
        fields = [*ReviewSerializer.Meta.fields, "test_runs"]
        read_only_fields = fields

    @extend_schema(responses=TestRunSerializer(many=True))
    def get_test_runs(self, review: Review) -> list[dict[str, Any]]:
        return [TestRunSerializer(run).data for run in complete_runs().filter(review=review)[:MAX_RUNS]]


class ReviewDetail(RetrieveAPIView[Review]):
    """One review with its newest 100 test runs."""

    serializer_class = ReviewWithRunsSerializer
    queryset = Review.objects.for_rows()

    def get_queryset(self) -> ReviewQuerySet:
        reviews: ReviewQuerySet = Review.objects.for_rows()
        return reviews.visible_to(self.request.user)


class LaunchSerializer(serializers.Serializer[Any]):
    """What to test on."""

    substrates = serializers.ListField(child=serializers.CharField(), allow_empty=False, max_length=MAX_SUBSTRATES)

    def validate_substrates(self, names: list[str]) -> list[Substrate]:
        """The active substrates of these names, each once. One query."""
        asked = dict.fromkeys(names)
        known = {one.name: one for one in Substrate.objects.filter(active=True, name__in=asked)}
        if unknown := [name for name in asked if name not in known]:
            raise serializers.ValidationError(f"There is no active substrate {unknown[0][:64]}.")
        return [known[name] for name in asked]


class LaunchedSerializer(serializers.Serializer[Any]):
    """Runs that are new, and runs that were under way already."""

    launched = TestRunSerializer(many=True)
    already = TestRunSerializer(many=True)


class ReviewTestRuns(ListAPIView[TestRun]):
    """A review's test runs; reviewers launch more by POST."""

    serializer_class = TestRunSerializer
    pagination_class = ApiPagination
    queryset = complete_runs()

    def get_permissions(self) -> list[Any]:
        return [IsReviewer()] if self.request.method == "POST" else [*super().get_permissions()]

    def get_queryset(self) -> TestRunQuerySet:
        reviews = Review.objects.visible_to(self.request.user)
        return complete_runs().filter(review=get_object_or_404(reviews, pk=self.kwargs["pk"]))

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
        runs = {run.pk: run for run in complete_runs().filter(pk__in=ids)}
        answer = {
            "launched": TestRunSerializer([runs[run.pk] for run in result.launched], many=True).data,
            "already": TestRunSerializer([runs[run.pk] for run in result.already], many=True).data,
        }
        return Response(answer, status=status.HTTP_201_CREATED if result.launched else status.HTTP_200_OK)
