"""Parts of a review's page that the rooms above add: each registers a template and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string

from reviews.models import Review


@dataclass(frozen=True)
class Panel:
    """``context`` returns the template's variables, or None when this reader is not shown the panel. ``scripts`` are
    static files that the panel needs, loaded once in the order of the panels."""

    template: str
    context: Callable[[HttpRequest, Review], dict[str, Any] | None]
    scripts: tuple[str, ...] = ()


_panels: list[Panel] = []


def register_panel(panel: Panel) -> None:
    """Show this panel on every review's page, after those registered before. Call it when the app is ready."""
    _panels.append(panel)


def render_panels(request: HttpRequest, review: Review) -> list[str]:
    """The HTML of each panel that this reader is shown."""
    contexts = [(panel, panel.context(request, review)) for panel in _panels]
    return [render_to_string(panel.template, context, request) for panel, context in contexts if context is not None]


def panel_scripts() -> list[str]:
    """Static files of all panels."""
    return list(dict.fromkeys(script for panel in _panels for script in panel.scripts))
