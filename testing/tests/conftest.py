"""A run that Jenkins has accepted, and what happens to it."""

import pytest
from django.utils import timezone

from testing.callbacks import callback_url_of
from testing.models import Attempt, Substrate, TestRun
from testing.sweep import sweep


class Build:
    """One run, its sandbox build, and the time that passes."""

    def __init__(self, run, jenkins, client):
        self.run, self.jenkins, self.client = run, jenkins, client
        self.url = f"{jenkins.job_url}/1/"

    def report(self, status, **more):
        """Call back as the build script does."""
        url = callback_url_of(self.run).removeprefix("http://localhost:8000")
        return self.client.post(url, {"status": status, **more}).json()

    def all_is_due(self):
        """The next sweep looks after everything."""
        now = timezone.now()
        TestRun.objects.unfinished().update(next_attempt_at=now)
        Attempt.objects.exclude(lookup_due_at=None).update(lookup_due_at=now)
        Attempt.objects.exclude(stop_due_at=None).update(stop_due_at=now)

    def lookups_are_due(self):
        Attempt.objects.exclude(lookup_due_at=None).update(lookup_due_at=timezone.now())

    def sweep(self):
        sweep()
        self.run.refresh_from_db()
        return self.run

    def asked(self, part):
        """The requests whose path holds ``part``."""
        return [path for _, path in self.jenkins.requests if part in path]


@pytest.fixture
def build(sandbox, review, client):
    """A run that waits in the sandbox's queue."""
    sweep()
    return Build(review.test_runs.get(), sandbox.jenkins, client)


@pytest.fixture
def lots(review, monkeypatch):
    """As many runs that wait to be sent as an import of a large team makes, and all the time in the world."""
    monkeypatch.setattr("testing.sweep.TIME_LIMIT_SECONDS", 3600)
    review.test_runs.all().delete()
    substrates = Substrate.objects.bulk_create([Substrate(name=f"machine-{number}") for number in range(100)])
    TestRun.objects.bulk_create([TestRun(review=review, substrate=one, revision="rev-1") for one in substrates])
    return TestRun.objects.all()
