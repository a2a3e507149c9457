"""What test runs add to a review's page and to the top of every page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from core.notices import register_notice
from reviews.models import Review
from reviews.panels import Panel, Place, register_panel
from reviews.substrates import register_substrates
from testing.ci import get_ci
from testing.models import Job, Substrate
from testing.tables import may_launch, runs_context


def runs(request: HttpRequest, review: Review) -> dict[str, Any]:
    """The review's runs, newest first. Three queries."""
    return runs_context(review, may_launch(request.user, review))


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
    scripts = ("django_htmx/htmx-2.min.js", "testing/runs.js")
    register_panel(Panel("testing/_runs.html", runs, Place.OVERVIEW, scripts))
    register_panel(Panel("testing/_runs.html", runs, Place.TESTS, scripts))
    register_panel(Panel("testing/_launch.html", launch_form, Place.ACTIONS))
    register_notice(unconfigured_notice)
    register_substrates(substrate_names)
