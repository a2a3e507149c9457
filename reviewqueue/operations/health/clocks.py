"""The check of clocks: due times in the future that a clock left which was ahead."""

from __future__ import annotations

from django.utils import timezone

from reviewqueue.operations.beat import MAX_CLOCK_SKEW
from reviewqueue.operations.health.findings import Finding, Problem, found
from reviews.models import Review, Source
from reviews.refresh import longest_pause
from testing.sweep.due_times import misdated_runs


def check_clocks() -> Finding:
    """Whether a row of the queue has a time further ahead than any rule sets it (those of schedules: ``processes``)."""
    now = timezone.now()
    counts = {
        "test runs are due": misdated_runs().count(),
        "reviews are due": Review.objects.filter(due_at__gt=now + longest_pause()).count(),
        "sources were last read": Source.objects.active().filter(cursor__gt=now + MAX_CLOCK_SKEW).count(),
    }
    problems = [
        Problem(
            f"{count} {what} at a time in the future: a clock was wrong.",
            "Check the clock of each machine (timedatectl). The times are set back with the next round of each task.",
        )
        for what, count in counts.items()
        if count
    ]
    return found("clocks", *problems)
