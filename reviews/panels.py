"""Parts of a review's pages that the rooms above add: each registers a template, where it stands, and what it needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string

from reviews.models import Review


class Place(models.TextChoices):
    """Where a panel stands. The tabs are pages of their own; a panel of a tab stands on that page only."""

    ACTIONS = "actions", "beside the buttons, on every tab"
    OVERVIEW = "overview", "the first tab, between the change and the timeline"
    ANSWER = "answer", "the first tab, below the timeline"
    DIFF = "diff", "the tab of the diff, below it"
    TESTS = "tests", "the tab of the tests"
    SIDE = "side", "the narrow column, on every tab"


@dataclass(frozen=True)
class Panel:
    """``context`` returns the template's variables, or None when this reader is not shown the panel.

    ``version``, for a panel that changes while it is looked at, returns what changes with it, in at most one query; its
    context then has the same value as ``version``. The elements of its template that are to be kept fresh have an id
    and the attribute ``data-part`` (static/reviews/review.js). ``scripts`` and ``styles`` are static files
    that it needs.
    """

    template: str
    context: Callable[[HttpRequest, Review], dict[str, Any] | None]
    place: str = Place.OVERVIEW
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    version: Callable[[HttpRequest, Review], str] | None = None


@dataclass
class RenderedPanels:
    """The HTML of the panels by their place, and the version of all of them."""

    html: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    versions: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)


_panels: list[Panel] = []


def register_panel(panel: Panel) -> None:
    """Show this panel on every review's page, after those registered before. Call it when the app is ready."""
    _panels.append(panel)


def render_panels(request: HttpRequest, review: Review, places: tuple[str, ...]) -> RenderedPanels:
    """The panels of these places that this reader is shown."""
    rendered = RenderedPanels()
    for panel in _panels:
        if panel.place not in places:
            continue
        context = panel.context(request, review)
        if context is None:
            continue
        rendered.html[panel.place].append(render_to_string(panel.template, context, request))
        rendered.scripts += [script for script in panel.scripts if script not in rendered.scripts]
        rendered.styles += [style for style in panel.styles if style not in rendered.styles]
        if panel.version:
            rendered.versions.append(context["version"])
    return rendered


def panel_versions(request: HttpRequest, review: Review, places: tuple[str, ...]) -> list[str]:
    """The versions that ``render_panels`` would return, without rendering."""
    return [panel.version(request, review) for panel in _panels if panel.version and panel.place in places]
