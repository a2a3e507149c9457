"""Test runs in the REST API (docs/specification.md, section 7)."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Prefetch
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers
from rest_framework.generics import ListAPIView, RetrieveAPIView

from core.api.pagination import ApiPagination
from testing.evidence import get_evidence
from testing.managers import TestRunQuerySet
from testing.models import Status, TestOutcome, TestResult, TestRun

MAX_TESTS = 100  # single tests of each run in a list; the run itself has all of them


class SingleTestSerializer(serializers.ModelSerializer[TestResult]):
    """One single test, without its output."""

    outcome = serializers.ChoiceField(choices=TestOutcome.choices, read_only=True)

    class Meta:
        model = TestResult
        fields = ["suite", "test", "returncode", "duration", "outcome", "standing", "error"]


class TestRunSerializer(serializers.ModelSerializer[TestRun]):
    """A test run, with the single tests that have been collected."""

    __test__ = False

    review = serializers.IntegerField(source="review_id", read_only=True)
    substrate = serializers.CharField(source="substrate.name", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", default=None, read_only=True, allow_null=True)
    job = serializers.CharField(source="job.name", default=None, read_only=True, allow_null=True)
    outdated = serializers.BooleanField(read_only=True)
    tests = SingleTestSerializer(source="shown_results", many=True, read_only=True)

    class Meta:
        model = TestRun
        fields = [
            "id", "review", "substrate", "status", "attempt", "revision", "outdated", "target_revision", "build_url",
            "result_url", "error", "requested_by", "next_attempt_at", "created_at", "started_at", "finished_at",
            "posted_at", "tests", "job", "counts",
        ]  # fmt: skip
        read_only_fields = fields

    def to_representation(self, instance: TestRun) -> dict[str, Any]:
        """The fields above, written out: it goes out with every callback, and costs a hundredth so."""
        return {
            "id": instance.pk,
            "review": instance.review_id,
            "substrate": instance.substrate.name,
            "status": instance.status,
            "attempt": instance.attempt,
            "revision": instance.revision,
            "outdated": instance.outdated,
            "target_revision": instance.target_revision,
            "build_url": instance.build_url,
            "result_url": instance.result_url,
            "error": instance.error,
            "requested_by": instance.requested_by.username if instance.requested_by else None,
            "next_attempt_at": instance.next_attempt_at,
            "created_at": instance.created_at,
            "started_at": instance.started_at,
            "finished_at": instance.finished_at,
            "posted_at": instance.posted_at,
            "tests": [
                {
                    "suite": test.suite,
                    "test": test.test,
                    "returncode": test.returncode,
                    "duration": test.duration,
                    "outcome": test.outcome,
                    "standing": test.standing,
                    "error": test.error,
                }
                for test in getattr(instance, "shown_results", ())
            ],
            "job": instance.job.name if instance.job else None,
            "counts": instance.counts,
        }


def shown_results(max_tests: int | None = None) -> Prefetch[Any]:
    """Fetches the first single tests of runs for their JSON, without outputs. One query."""
    tests = TestResult.objects.defer("output").order_by("position")[:max_tests]
    return Prefetch("results", queryset=tests, to_attr="shown_results")


def complete_runs(max_tests: int | None = MAX_TESTS) -> TestRunQuerySet:
    """Runs with all that their JSON shows, newest first. Two queries."""
    runs: TestRunQuerySet = TestRun.objects.select_related("review", "substrate", "requested_by", "job").newest_first()
    return runs.prefetch_related(shown_results(max_tests))


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
        """Outdated runs, or those of current revisions."""
        return runs.outdated() if value else runs.current()


class TestRunList(ListAPIView[TestRun]):
    """Test runs, newest first. Each shows its first 100 single tests; the run itself has all."""

    __test__ = False

    serializer_class = TestRunSerializer
    pagination_class = ApiPagination
    filter_backends = [DjangoFilterBackend]
    filterset_class = TestRunFilter
    queryset = complete_runs()

    def get_queryset(self) -> TestRunQuerySet:
        return complete_runs().visible_to(self.request.user)


class ExplainedTestSerializer(SingleTestSerializer):
    """One single test, with what is known of it if it failed."""

    evidence = serializers.CharField(help_text="Why it has its standing, in words; empty unless it failed.")

    class Meta(SingleTestSerializer.Meta):
        fields = [*SingleTestSerializer.Meta.fields, "evidence"]


class ExplainedRunSerializer(TestRunSerializer):
    """A test run with all its single tests, and what is known of those that failed."""

    tests = ExplainedTestSerializer(source="shown_results", many=True, read_only=True)

    def to_representation(self, instance: TestRun) -> dict[str, Any]:
        data = super().to_representation(instance)
        results = getattr(instance, "shown_results", ())
        evidence = get_evidence(results, {instance.pk: instance})
        for test, result in zip(data["tests"], results, strict=True):
            test["evidence"] = evidence[result.pk].words if result.pk in evidence else ""
        return data


class TestRunDetail(RetrieveAPIView[TestRun]):
    """One test run with all its single tests."""

    __test__ = False

    serializer_class = ExplainedRunSerializer
    queryset = complete_runs(max_tests=None)

    def get_queryset(self) -> TestRunQuerySet:
        return complete_runs(max_tests=None).select_related("compared_with").visible_to(self.request.user)
