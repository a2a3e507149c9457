"""What the pages of the reviews layer show of test runs."""

from typing import Any

from django import template
from django.conf import settings

from reviews.models import Review
from testing.ci import get_ci
from testing.models import Substrate

register = template.Library()
MOST_RUNS = 100


@register.inclusion_tag("testing/_runs.html", takes_context=True)
def test_runs(context: dict[str, Any], review: Review) -> dict[str, Any]:
    """A review's runs, newest first, and the form that launches more. Three queries."""
    runs = review.test_runs.select_related("substrate", "requested_by").prefetch_related("results")[:MOST_RUNS]
    return {
        "review": review,
        "runs": [(run, run.revision != review.revision) for run in runs],
        "substrates": list(Substrate.objects.filter(active=True)) if context.get("may_review") else [],
        "may_review": context.get("may_review"),
        "most_attempts": settings.TESTING_MAX_ATTEMPTS,
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_tag
def unconfigured_ci() -> str:
    """Why nothing can be tested at all; empty when something can."""
    return get_ci().unconfigured()
