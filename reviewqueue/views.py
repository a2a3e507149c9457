"""Pages about all rooms at once: stats and about."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_celery_beat.models import PeriodicTask

from core.text import duration
from integrations.launchpad.client import web_root
from integrations.launchpad.entries import PROPOSAL_STATES, TASK_STATES
from reviewqueue.stats import get_figures
from reviews import stats
from reviews.choices import NEXT_ACTOR, Actor, Square, State
from reviews.tables import SQUARE_CELLS, STATE_CELLS
from reviews.texts import MEANINGS
from testing.models import UNFINISHED, Status, Substrate

CACHE_SECONDS = 300  # that figures are kept

SQUARE_WORDS: dict[str, str] = {
    Square.WHITE: "No test run of its current revision.",
    Square.GREEN: "At least one run of its current revision passed.",
    Square.RED: "None passed, and at least one failed or ended in an error.",
    Square.BLACK: "Runs are queued or under way, and none has ended yet.",
}
STATUS_WORDS: dict[str, str] = {
    Status.RETRY: "To be sent to Jenkins, or to be sent again; the review's page says when and why.",
    Status.PENDING: "Jenkins has accepted it.",
    Status.RUNNING: "The build has begun.",
    Status.PASS: "Every test passed.",
    Status.FAIL: "A test failed.",
    Status.ERROR: "Given up, or ended without a usable outcome.",
    Status.CANCELED: "Stopped: the item closed, a newer revision came, or staff stopped it.",
}


@require_safe
def stats_page(request: HttpRequest) -> HttpResponse:
    """What the queue's recorded history says: lengths, ages, waiting times, throughput, outcomes, reviewers."""
    asked = request.GET.get("days", "")
    days = next((choice for choice in stats.RANGES if asked == str(choice)), 90)
    figures: Any = cache.get_or_set(f"stats-{days}", lambda: get_figures(days), CACHE_SECONDS)
    ranges = [(choice, choice == days) for choice in stats.RANGES]
    return render(
        request, "reviewqueue/stats.html", {**figures, "days": days, "ranges": ranges, "minutes": CACHE_SECONDS // 60}
    )


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    """How the queue works, from the same tables that the code uses."""
    statuses = {
        state: [status for table in (TASK_STATES, PROPOSAL_STATES) for status, to in table.items() if to == state]
        for state in State.values
    }
    substrates = list(Substrate.objects.filter(active=True))
    context = {
        "states": [
            (STATE_CELLS[state], MEANINGS[state], Actor(NEXT_ACTOR[state]).label, dict.fromkeys(statuses[state]),
             settings.REFRESH_MINUTES.get(state, settings.REFRESH_DEFAULT_MINUTES))
            for state in State.values
        ],
        "squares": [(square, SQUARE_CELLS[square], SQUARE_WORDS[square]) for square in Square.values],
        "statuses": [(status, Status(status).label, STATUS_WORDS[status], status in UNFINISHED)
                     for status in Status.values],
        "substrates": substrates,
        "default_substrates": [substrate for substrate in substrates if substrate.default],
        "schedules": list(PeriodicTask.objects.filter(enabled=True).select_related("interval", "crontab")
                          .exclude(task__startswith="celery.").order_by("name")),
        "teams": settings.REVIEWER_TEAMS,
        "launchpad": web_root(),
        "attempts": settings.TESTING_MAX_ATTEMPTS,
        "missing_looks": settings.MISSING_LOOKS,
        "missing_hours": f"{settings.MISSING_HOURS:g}",
        "timeout": duration(settings.TESTING_TIMEOUT),
    }  # fmt: skip
    return render(request, "reviewqueue/about.html", context)
