"""Is it mine? What the rows know of a failing test (docs/specification.md, section 5).

Worked out when the single tests of a run arrive, by the database and in a constant number of queries, and kept with
each. What a failing test tells of others is kept with theirs at the same time.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, CharField, Exists, F, OuterRef, Q, Value, When
from django.utils import timezone

from reviews.models import OPEN_STATES, Review, Verdict
from testing.choices import Standing
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
        TestResult.objects.failed().filter(Exists(passed_now), run__in=same).update(standing=Standing.FLAKY)


def tell_others(run: TestRun) -> None:
    """Keep with the failing tests of other items that they fail elsewhere too: here. Two queries, and three for each
    200 items whose verdict it may excuse."""
    first, since = _window()
    failing = TestResult.objects.failed().filter(run=run, test=OuterRef("test"), suite=OuterRef("suite"))
    others = TestResult.objects.failed().filter(
        Exists(failing), _others(run), run__substrate=run.substrate_id, run__finished_at__gte=since, run__gte=first,
    )  # fmt: skip
    unexplained = others.exclude(standing__in=[Standing.ELSEWHERE, Standing.FLAKY])
    is_current = Q(run__revision=F("run__review__revision"))
    excusable = unexplained.filter(
        is_current, run__review__verdict=Verdict.FAIL, run__review__state__in=OPEN_STATES
    ).order_by()
    items = sorted(set(excusable.values_list("run__review_id", flat=True).distinct()))
    unexplained.order_by().update(standing=Standing.ELSEWHERE)
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
    first, since = _window()
    elsewhere = Q(run__review__isnull=False, run__review__private=False) & ~Q(run__review=run.review_id)
    if run.target_url:
        elsewhere |= Q(
            run__baseline__isnull=False, run__target_url=run.target_url, run__target_branch=run.target_branch
        )
    return _same_test().failed().filter(
        elsewhere, run__gte=first, run__substrate=run.substrate_id, run__finished_at__gte=since
    )  # fmt: skip


def _others(run: TestRun) -> Q:
    """Whose failing tests those of this run explain."""
    if run.review_id is None:
        return Q(run__review__isnull=False, run__target_url=run.target_url, run__target_branch=run.target_branch)
    if TestRun.objects.filter(pk=run.pk, review__private=True).exists():
        return Q(pk__in=[])  # nobody learns of a private item by the tests of others
    return Q(run__review__isnull=False) & ~Q(run__review=run.review_id)


def _window() -> tuple[int, datetime]:
    """The first run that can have failed lately, by its id, and since when that is."""
    since = timezone.now() - WINDOW
    made = TestRun.objects.filter(created_at__gte=since - LONGEST_RUN).order_by("created_at", "pk")
    return made.values_list("pk", flat=True).first() or 0, since
