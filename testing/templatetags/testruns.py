"""What the pages of the reviews layer show of test runs."""

from __future__ import annotations

from typing import Any

from django import template

from reviews.models import Review
from testing.ci import get_ci
from testing.models import Substrate
from testing.tables import runs_context

register = template.Library()


@register.inclusion_tag("testing/_runs.html")
def test_runs(review: Review) -> dict[str, Any]:
    """A review's runs, newest first. Three queries."""
    return runs_context(review)


@register.inclusion_tag("testing/_launch.html", takes_context=True)
def launch_form(context: dict[str, Any], review: Review) -> dict[str, Any]:
    """The form that launches tests. One query."""
    substrates = list(Substrate.objects.filter(active=True))
    return {"review": review, "substrates": substrates, "csrf_token": context.get("csrf_token")}


@register.simple_tag
def unconfigured_ci() -> str:
    """Why nothing can be tested at all; empty when something can."""
    return get_ci().unconfigured()
