"""Testing the targets themselves: what fails there is not the fault of those who propose to merge into them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from core.enqueue import enqueue_on_commit
from reviews.models import Review, Source
from testing.models import Baseline, Substrate, TestRun
from testing.plan import TestPlan
from testing.transitions import new_target_run

PAUSE = timedelta(hours=20)  # between two runs of a target on a substrate, however often the schedule comes


def run_baselines(sources: Iterable[Source] | None = None, *, now_again: bool = False) -> int:
    """Test each target that open items merge into, where their source says so; on each substrate that the plan starts
    by itself. Returns how many runs were made.

    One that is under way is not made again, nor one that was made in the last 20 hours unless ``now_again``.
    """
    wanted = Source.objects.active().filter(tests_targets=True)
    if sources is not None:
        wanted = wanted.filter(pk__in=[source.pk for source in sources])
    targets = keep_targets(list(wanted))
    plan, substrates = TestPlan(), list(Substrate.objects.filter(active=True))
    lately = TestRun.objects.filter(baseline__in=targets).order_by()
    recent = lately.unfinished() if now_again else lately.filter(created_at__gte=timezone.now() - PAUSE)
    known = set((recent | lately.unfinished()).values_list("baseline_id", "substrate_id"))
    runs = [
        new_target_run(target, substrate, planned)
        for target in targets
        for substrate in substrates
        if (planned := plan.planned(target.source_id, substrate)).default and (target.pk, substrate.pk) not in known
    ]
    with transaction.atomic():
        # Another process may have made one meanwhile: the constraint keeps it one.
        TestRun.objects.bulk_create(runs, ignore_conflicts=True)
        if runs:
            enqueue_on_commit("testing.tasks.sweep_test_runs")
    return len(runs)


def keep_targets(sources: list[Source]) -> list[Baseline]:
    """A row for each target that the open items of these sources merge into. Three queries."""
    items = Review.objects.visible_to(None).open().filter(source__in=sources).exclude(target_url="").order_by()
    names = {
        (source, url, branch): name or url
        for source, url, branch, name in items.values_list("source_id", "target_url", "target_branch", "target")
    }
    found = [Baseline(source_id=key[0], url=key[1], branch=key[2], name=name) for key, name in names.items()]
    Baseline.objects.bulk_create(found, ignore_conflicts=True)
    rows = Baseline.objects.filter(source__in=sources).select_related("source")
    return [row for row in rows if (row.source_id, row.url, row.branch) in names]
