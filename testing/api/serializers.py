"""Test runs as JSON (docs/specification.md, section 7)."""

from typing import Any

from rest_framework import serializers

from testing.models import TestResult, TestRun


class SingleTestSerializer(serializers.ModelSerializer[TestResult]):
    """One single test, without its output."""

    class Meta:
        model = TestResult
        fields = ["suite", "test", "returncode", "duration"]


class TestRunSerializer(serializers.ModelSerializer[TestRun]):
    """A test run. Read it by ``testing.api.views.runs_with_everything``, or give it ``shown_results``."""

    review = serializers.IntegerField(source="review_id", read_only=True)
    substrate = serializers.CharField(source="substrate.name", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", default=None, read_only=True, allow_null=True)
    outdated = serializers.BooleanField(read_only=True)
    tests = SingleTestSerializer(source="shown_results", many=True, read_only=True)

    class Meta:
        model = TestRun
        fields = [
            "id", "review", "substrate", "status", "attempt", "revision", "outdated", "build_url", "result_url",
            "error", "requested_by", "next_attempt_at", "created_at", "started_at", "finished_at", "posted_at", "tests",
        ]  # fmt: skip
        read_only_fields = fields


def facts_of(run: TestRun) -> dict[str, Any]:
    """What ``TestRunSerializer`` says of a run that has no single tests, for less: it goes out with every callback."""
    return {
        "id": run.pk, "review": run.review_id, "substrate": run.substrate.name, "status": run.status,
        "attempt": run.attempt, "revision": run.revision, "outdated": run.outdated, "build_url": run.build_url,
        "result_url": run.result_url, "error": run.error,
        "requested_by": run.requested_by.username if run.requested_by else None,
        "next_attempt_at": run.next_attempt_at, "created_at": run.created_at, "started_at": run.started_at,
        "finished_at": run.finished_at, "posted_at": run.posted_at, "tests": [],
    }  # fmt: skip
