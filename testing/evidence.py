"""Why a failing test has its standing, in words and with a link to the proof (docs/specification.md, section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Min, Q
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from core.text import counted, short_revision, since_day
from testing.choices import Standing, TestOutcome
from testing.models import TestResult, TestRun
from testing.standing import lately

MAX_LOOKED_UP = 500  # tests whose failures elsewhere are counted at a time


class Place(NamedTuple):
    """A test on a substrate."""

    test: str
    suite: str
    substrate_id: int


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where else a test failed lately: how many other items and since when, and since when on the target."""

    items: int = 0
    since: datetime | None = None
    target_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a failing test. ``words`` go on after its name, as ``passed on revision 41``."""

    standing: str
    words: str
    url: str

    @property
    def label(self) -> str:
        """The standing in a word; empty while nothing is known."""
        return Standing(self.standing).label if self.standing else ""


def get_evidence(results: Iterable[TestResult], runs: Mapping[int, TestRun]) -> dict[int, Evidence]:
    """The evidence of failing tests of runs of one item, by the id of the result. One query at most.

    ``runs`` has the run of each by its id, with ``compared_with`` at hand. Failures elsewhere are counted for the first
    500 tests.
    """
    failing = [result for result in results if result.outcome == TestOutcome.FAIL]
    elsewhere = count_elsewhere(failing, runs)
    found = {}
    for result in failing:
        run = runs[result.run_id]
        place = Place(result.test, result.suite, run.substrate_id)
        found[result.pk] = build_evidence(result, run, elsewhere.get(place, Elsewhere()))
    return found


def count_elsewhere(failing: Iterable[TestResult], runs: Mapping[int, TestRun]) -> dict[Place, Elsewhere]:
    """Where else the tests failed that are known to fail elsewhere. One query; none where there are none."""
    shown = [result for result in failing if result.standing == Standing.ELSEWHERE][:MAX_LOOKED_UP]
    if not shown:
        return {}
    run = runs[shown[0].run_id]
    is_other_item = Q(run__review__isnull=False, run__review__private=False) & ~Q(run__review=run.review_id)
    is_target = Q(run__baseline__isnull=False, run__target_url=run.target_url, run__target_branch=run.target_branch)
    rows = (
        TestResult.objects.failed()
        .filter(
            is_other_item | is_target, *lately(),
            test__in={result.test for result in shown},
            suite__in={result.suite for result in shown},
            run__substrate__in={runs[result.run_id].substrate_id for result in shown},
        )
        .order_by()
        .values_list("test", "suite", "run__substrate_id")
        .annotate(
            items=Count("run__review", distinct=True, filter=is_other_item),
            since=Min("run__finished_at", filter=is_other_item),
            target_since=Min("run__finished_at", filter=is_target),
        )
    )  # fmt: skip
    return {Place(*row[:3]): Elsewhere(*row[3:]) for row in rows}


def build_evidence(result: TestResult, run: TestRun, elsewhere: Elsewhere) -> Evidence:
    """What is known of one failing test."""
    words, url = "", history_url(result.test, result.suite, substrate=run.substrate.name)
    if result.standing == Standing.ELSEWHERE:
        words = elsewhere_words(elsewhere)
        url = history_url(result.test, result.suite, substrate=run.substrate.name, outcome=TestOutcome.FAIL)
    elif result.standing == Standing.FLAKY:
        words = "passed and failed on the same revision of this item"
        url = history_url(result.test, result.suite, substrate=run.substrate.name, item=run.review_id)
    elif result.standing and run.compared_with:
        revision = short_revision(run.compared_with.revision) or "before"
        is_new = result.standing == Standing.NEW
        words = f"passed on revision {revision}" if is_new else f"failed on revision {revision} too"
        url = reverse("test-run", args=[run.review_id, run.compared_with_id])
    elif not result.standing:
        words = "nothing is known of it from before"
    return Evidence(result.standing, words, url)


def elsewhere_words(found: Elsewhere) -> str:
    """``has failed on 5 other items since Tuesday, and on the target since Monday``."""
    now, parts = timezone.now(), []
    if found.items and found.since:
        parts.append(f"on {counted(found.items, 'other item')} since {since_day(found.since, now)}")
    if found.target_since:
        parts.append(f"on the target since {since_day(found.target_since, now)}")
    return f"has failed {', and '.join(parts)}" if parts else "had failed elsewhere when it ran"


def history_url(test: str, suite: str, *, substrate: str = "", outcome: str = "", item: int | None = None) -> str:
    """The page of one test, narrowed where that is asked for."""
    query = QueryDict(mutable=True)
    values = {"test": test, "suite": suite, "substrate": substrate, "outcome": outcome, "item": str(item or "")}
    query.update({name: value for name, value in values.items() if value})
    return f"{reverse('test-history')}?{query.urlencode()}"
