"""Parts of the page *Your account* that the rooms above add: each registers a template and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string


@dataclass(frozen=True)
class AccountPanel:
    """``context`` returns the template's variables for the person who is logged in."""

    template: str
    context: Callable[[HttpRequest], dict[str, Any]]


_panels: list[AccountPanel] = []


def register_account_panel(panel: AccountPanel) -> None:
    """Show this panel on everybody's own page, after those registered before. Call it when the app is ready."""
    _panels.append(panel)


def render_account_panels(request: HttpRequest) -> list[str]:
    """The HTML of each panel."""
    return [render_to_string(panel.template, panel.context(request), request) for panel in _panels]
