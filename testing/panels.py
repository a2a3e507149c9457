"""What test runs add to a review's page and to the top of every page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from core.notices import register_notice
from reviews.models import Review
from reviews.notices import register_notices
from reviews.panels import Panel, Place, register_panel
from reviews.substrates import register_substrates
from testing.ci import get_ci
from testing.models import Job, Substrate
from testing.outages import outage_rows
from testing.tables import (
    MAX_RUNS,
    VERSION_FIELDS,
    get_newest_runs,
    get_runs,
    may_launch,
    newest_runs,
    runs_context,
    version_of,
)

STYLES = ("testing/tests.css",)


def newest(request: HttpRequest, review: Review) -> dict[str, Any]:
    """The newest run of each substrate. Two queries."""
    return runs_context(review, get_newest_runs(review), may_launch(request.user, review))


def newest_version(request: HttpRequest, review: Review) -> str:
    """Changes when ``newest`` does. One query."""
    return version_of(newest_runs(review).values_list(*VERSION_FIELDS))


def runs(request: HttpRequest, review: Review) -> dict[str, Any]:
    """The review's runs, newest first. Three queries."""
    return runs_context(review, get_runs(review), may_launch(request.user, review))


def runs_version(request: HttpRequest, review: Review) -> str:
    """Changes when ``runs`` does. One query."""
    return version_of(review.test_runs.values_list(*VERSION_FIELDS)[: MAX_RUNS + 1])


def launch_form(request: HttpRequest, review: Review) -> dict[str, Any] | None:
    """The form that launches tests, for reviewers of what is open and in the queue. One query."""
    if not may_launch(request.user, review):
        return None
    return {"review": review, "substrates": list(Substrate.objects.filter(active=True))}


def unconfigured_notice() -> str:
    """Why nothing can be tested at all; empty when something can."""
    reason = get_ci().unconfigured()
    if not reason or Job.objects.exists():  # staff entered jobs: Health says what waits for the environment's
        return ""
    return f"Nothing is being tested. {reason}"


def substrate_names() -> list[str]:
    """What the search offers, in the order of the substrates: old ones too, whose outcomes are still there."""
    return list(Substrate.objects.order_by("order", "name").values_list("name", flat=True))


def register() -> None:
    """Called once, when the app is ready."""
    register_panel(Panel("testing/_newest.html", newest, Place.OVERVIEW, styles=STYLES, version=newest_version))
    register_panel(Panel("testing/_runs.html", runs, Place.TESTS, styles=STYLES, version=runs_version))
    register_panel(Panel("testing/_launch.html", launch_form, Place.ACTIONS))
    register_notice(unconfigured_notice)
    register_substrates(substrate_names)
    register_notices(outage_rows)
