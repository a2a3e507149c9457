"""Is it mine? What the rows know of a failing test (docs/specification.md, section 5).

Worked out when the single tests of a run arrive, by the database and in a constant number of queries, and kept with
each. What a failing test tells of others is kept with theirs at the same time.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Case, CharField, Exists, OuterRef, Q, Subquery, Value, When
from django.utils import timezone

from reviews.models import Review, Verdict
from testing.choices import EXCUSING, Standing
from testing.managers import TestResultQuerySet, TestRunQuerySet
from testing.models import TestResult, TestRun
from testing.verdicts import update_verdicts

WINDOW = timedelta(days=14)  # in which a failure elsewhere counts
LONGEST_RUN = timedelta(days=8)  # between the making of a run and its end, generously: bounds what is read
MAX_OWN_RUNS = 100  # of an item on a substrate that are looked at
AT_ONCE = 200  # items whose verdict is kept in one transaction


def keep_standings(run: TestRun) -> None:
    """Work out the standing of each failing test of a run whose single tests are there. Six queries at most.

    Also of earlier runs of the same revision: a test that passes now has passed and failed on it.
    """
    if run.review_id is None:
        return
    earlier = _earlier_runs(run)
    _keep_compared_with(run, [pk for pk, revision in earlier if revision != run.revision])
    same = [pk for pk, revision in earlier if revision == run.revision != ""]
    flapped = _same_test().passed().filter(run__in=same) if same else TestResult.objects.none()
    last = _same_test().filter(run=run.compared_with_id) if run.compared_with_id else TestResult.objects.none()
    TestResult.objects.failed().filter(run=run).update(
        standing=Case(
            When(Exists(flapped) | Exists(_flapped_before(run, earlier)), then=Value(Standing.FLAKY)),
            When(Exists(_failed_elsewhere(run)), then=Value(Standing.ELSEWHERE)),
            When(Exists(last.failed()), then=Value(Standing.STILL)),
            When(Exists(last.passed()), then=Value(Standing.NEW)),
            default=Value(""),
            output_field=CharField(),
        )
    )
    if same:
        passed_now = _same_test().passed().filter(run=run)
        failed_before = TestResult.objects.failed().filter(Exists(passed_now), run__in=same)
        failed_before.exclude(standing=Standing.FLAKY).update(standing=Standing.FLAKY)
        TestRun.objects.filter(pk__in=same).update(standing_at=timezone.now())


def tell_others(run: TestRun) -> None:
    """Keep with the failing tests of other items that they fail elsewhere too: here. Five queries at most, and a few
    for each 200 items whose verdict it may excuse."""
    failing = TestResult.objects.failed().filter(run=run, test=OuterRef("test"), suite=OuterRef("suite"))
    others = TestResult.objects.failed().filter(
        Exists(failing), _others(run), *lately(), run__substrate=run.substrate_id
    )
    unexplained = others.exclude(standing__in=EXCUSING).order_by()
    found = list(unexplained.values_list("run_id", "run__review_id").distinct())
    if not found:
        return
    unexplained.update(standing=Standing.ELSEWHERE)
    TestRun.objects.filter(pk__in={run_id for run_id, _ in found}).update(standing_at=timezone.now())
    failed = Review.objects.open().filter(verdict=Verdict.FAIL, pk__in={review_id for _, review_id in found})
    items = list(failed.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(items), AT_ONCE):
        keep_verdicts(items[start : start + AT_ONCE])


def keep_verdicts(review_ids: list[int]) -> None:
    """Work out again what the runs of these reviews say."""
    with transaction.atomic():
        rows = Review.objects.filter(pk__in=review_ids).order_by("pk").select_for_update(of=("self",), no_key=True)
        update_verdicts(list(rows.values_list("pk", flat=True)))


def _same_test() -> TestResultQuerySet:
    """Results of the test that a query around this one is about."""
    found: TestResultQuerySet = TestResult.objects.filter(test=OuterRef("test"), suite=OuterRef("suite")).order_by()
    return found


def _earlier_runs(run: TestRun) -> list[tuple[int, str]]:
    """Id and revision of the item's other runs on this substrate, newest first."""
    others: TestRunQuerySet = TestRun.objects.filter(review=run.review_id, substrate=run.substrate_id)
    return list(others.exclude(pk=run.pk).order_by("-pk").values_list("pk", "revision")[:MAX_OWN_RUNS])


def _keep_compared_with(run: TestRun, candidates: list[int]) -> None:
    """Which run of another revision came last before this one, and left single tests."""
    before = [pk for pk in candidates if pk < run.pk]
    tested = TestResult.objects.filter(run=OuterRef("pk"))
    last = TestRun.objects.filter(Exists(tested), pk__in=before).order_by("-pk").values_list("pk", flat=True).first()
    run.compared_with_id = last
    TestRun.objects.filter(pk=run.pk).update(compared_with=last)


def _flapped_before(run: TestRun, earlier: list[tuple[int, str]]) -> TestResultQuerySet:
    """Failures of the test on an older revision of the item that it passed on as well."""
    revisions = [revision for _, revision in earlier if revision not in ("", run.revision)]
    twice = {revision for revision in revisions if revisions.count(revision) > 1}
    runs = [pk for pk, revision in earlier if revision in twice]
    if not runs:
        return TestResult.objects.none()
    passed = TestResult.objects.passed().filter(
        run__in=runs, test=OuterRef("test"), suite=OuterRef("suite"), run__revision=OuterRef("run__revision")
    )
    return _same_test().failed().filter(Exists(passed), run__in=runs)


def _failed_elsewhere(run: TestRun) -> TestResultQuerySet:
    """Failures of the test on other items, or on the target of this one, on this substrate and lately."""
    elsewhere = Q(run__review__isnull=False, run__review__private=False) & ~Q(run__review=run.review_id)
    if run.target_url:
        elsewhere |= Q(
            run__baseline__isnull=False, run__target_url=run.target_url, run__target_branch=run.target_branch
        )
    return _same_test().failed().filter(elsewhere, *lately(), run__substrate=run.substrate_id)


def _others(run: TestRun) -> Q:
    """Whose failing tests those of this run explain."""
    if run.review_id is None:
        return Q(run__review__isnull=False, run__target_url=run.target_url, run__target_branch=run.target_branch)
    if TestRun.objects.filter(pk=run.pk, review__private=True).exists():
        return Q(pk__in=[])  # nobody learns of a private item by the tests of others
    return Q(run__review__isnull=False) & ~Q(run__review=run.review_id)


def lately() -> list[Q]:
    """Conditions of single tests that ended within the window. By the id of the first run in it, since an index of
    single tests has that."""
    since = timezone.now() - WINDOW
    made = TestRun.objects.filter(created_at__gte=since - LONGEST_RUN).order_by("created_at", "pk").values("pk")[:1]
    return [Q(run__gte=Subquery(made)), Q(run__finished_at__gte=since)]
