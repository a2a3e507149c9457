"""The questions that the program asks about test runs and their attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from reviews.choices import TestsWaitFor
from reviews.managers import Reader, visibility
from reviews.models import Review, Source
from testing.choices import ON_ENGINE, OUTCOMES, UNFINISHED, Status, TestOutcome

if TYPE_CHECKING:
    from testing.models import Attempt, TestResult, TestRun  # noqa: F401  (the models that the querysets are of)


# The order of single tests that begins with those that failed.
FAILED_FIRST = Case(
    When(outcome=TestOutcome.FAIL, then=0),
    When(outcome=TestOutcome.SKIP, then=2),
    default=1,
    output_field=IntegerField(),
)


class TestRunQuerySet(QuerySet["TestRun"]):
    """``TestRun.objects``."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    def visible_to(self, user: Reader) -> TestRunQuerySet:
        """Runs of reviews that this reader may know of; None is a visitor."""
        return self.filter(visibility(user, "review__"))

    def of_items(self) -> TestRunQuerySet:
        """Runs of reviews, and not those that test a target by itself."""
        return self.filter(review__isnull=False)

    def of_targets(self) -> TestRunQuerySet:
        """Runs that test a target by itself."""
        return self.filter(baseline__isnull=False)

    def unfinished(self) -> TestRunQuerySet:
        """To be sent, queued or running."""
        return self.filter(status__in=UNFINISHED)

    def finished(self) -> TestRunQuerySet:
        """Ended in whatever way, cancelled ones included."""
        return self.exclude(status__in=UNFINISHED)

    def to_send(self) -> TestRunQuerySet:
        """To be sent, or sent again."""
        return self.filter(status=Status.RETRY)

    def on_engine(self) -> TestRunQuerySet:
        """Accepted by the engine: queued or running there."""
        return self.filter(status__in=ON_ENGINE)

    def with_outcome(self) -> TestRunQuerySet:
        """Ended with an outcome: passed, failed, or in error."""
        return self.filter(status__in=OUTCOMES)

    def unposted(self) -> TestRunQuerySet:
        """Outcomes that nobody has posted."""
        return self.with_outcome().filter(posted_at=None)

    def due(self) -> TestRunQuerySet:
        """Unfinished ones that the sweep has to bring on now."""
        return self.unfinished().filter(next_attempt_at__lte=timezone.now())

    def overdue(self, by: timedelta) -> TestRunQuerySet:
        """Unfinished ones that have been due for longer than ``by``: nobody brings them on."""
        return self.unfinished().filter(next_attempt_at__lt=timezone.now() - by)

    def with_results_due(self) -> TestRunQuerySet:
        """Finished ones whose single tests are to be collected now."""
        return self.filter(results_due_at__lte=timezone.now())

    def current(self) -> TestRunQuerySet:
        """Runs of their review's current revision."""
        return self.filter(revision=F("review__revision"))

    def outdated(self) -> TestRunQuerySet:
        """Runs of an older revision than their review's current one."""
        return self.exclude(revision=F("review__revision"))

    def pointless(self) -> TestRunQuerySet:
        """Unfinished ones that nobody needs any more; ``TestRun.why_pointless`` says why."""
        # Asked this way round, so that only open reviews are looked at, however many closed ones there are.
        needed = Review.objects.open().tracked().filter(pk=OuterRef("review"), revision=OuterRef("revision"))
        # What nobody asked for runs only as long as its code is trusted, and is not sent while there are conflicts.
        reviews = Review.objects.filter(pk=OuterRef("review"))
        untrusted, conflicting = reviews.filter(trusted=False), reviews.filter(tests_wait_for=TestsWaitFor.CONFLICTS)
        is_held = Exists(untrusted) | (Q(status=Status.RETRY) & Exists(conflicting))
        of_review = Q(baseline=None) & (~Exists(needed) | (Q(requested_by=None) & is_held))
        tested = Source.objects.active().filter(tests_targets=True, baselines=OuterRef("baseline"))
        return self.unfinished().filter(of_review | (Q(baseline__isnull=False) & ~Exists(tested)))

    def with_test_counts(self) -> TestRunQuerySet:
        """With ``test_count``, ``failed_count`` and ``skipped_count`` of each run's single tests."""
        tests = apps.get_model("testing", "TestResult").objects.filter(run=OuterRef("pk")).order_by().values("run")
        return self.annotate(
            test_count=_count(tests),
            failed_count=_count(tests.filter(outcome=TestOutcome.FAIL)),
            skipped_count=_count(tests.filter(outcome=TestOutcome.SKIP)),
        )

    def newest_first(self) -> TestRunQuerySet:
        """In the order of lists."""
        return self.order_by("-created_at", "-id")


def _count(rows: QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), Value(0))


class TestResultQuerySet(QuerySet["TestResult"]):
    """``TestResult.objects``."""

    __test__ = False

    def failed(self) -> TestResultQuerySet:
        """Single tests that failed."""
        return self.filter(outcome=TestOutcome.FAIL)

    def skipped(self) -> TestResultQuerySet:
        """Single tests that were not run."""
        return self.filter(outcome=TestOutcome.SKIP)

    def passed(self) -> TestResultQuerySet:
        """Single tests that passed."""
        return self.filter(outcome=TestOutcome.PASS)

    def with_outcome(self, outcome: str) -> TestResultQuerySet:
        """Those with this outcome; all of them for a word that is none."""
        return self.filter(outcome=outcome) if outcome in TestOutcome.values else self


class AttemptQuerySet(QuerySet["Attempt"]):
    """``Attempt.objects``."""

    def current(self) -> AttemptQuerySet:
        """The attempts that count: the newest of each run."""
        return self.filter(number=F("run__attempt"))

    def to_look_up(self) -> AttemptQuerySet:
        """Attempts whose build is to be looked for now."""
        return self.filter(lookup_due_at__lte=timezone.now())

    def to_stop(self) -> AttemptQuerySet:
        """Attempts whose build is to be stopped now."""
        return self.filter(stop_due_at__lte=timezone.now())
