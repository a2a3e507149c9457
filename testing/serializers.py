"""Test runs as JSON (SPEC section 7)."""

from rest_framework import serializers

from testing.models import TestResult, TestRun


class SingleTestSerializer(serializers.ModelSerializer[TestResult]):
    """One single test, without its output."""

    class Meta:
        model = TestResult
        fields = ["suite", "test", "returncode", "duration"]


class TestRunSerializer(serializers.ModelSerializer[TestRun]):
    """A test run. Fetch review, substrate, requested_by and results along with it."""

    review = serializers.IntegerField(source="review_id", read_only=True)
    substrate = serializers.CharField(source="substrate.name", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", default=None, read_only=True)
    outdated = serializers.BooleanField(read_only=True)
    tests = SingleTestSerializer(source="results", many=True, read_only=True)

    class Meta:
        model = TestRun
        fields = [
            "id", "review", "substrate", "status", "attempt", "revision", "outdated", "build_url", "result_url",
            "error", "requested_by", "next_attempt_at", "created_at", "started_at", "finished_at", "posted_at", "tests",
        ]  # fmt: skip
        read_only_fields = fields
