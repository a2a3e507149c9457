"""Markdown that staff write, as HTML: no HTML of its own, no pictures from elsewhere."""

from __future__ import annotations

from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

_markdown = MarkdownIt("commonmark", {"html": False}).disable("image").enable("table")


def to_html(text: str) -> SafeString:
    """The text as HTML. Tags in it are shown as they are written; links lead to http, https and mail addresses only."""
    return SafeString(_markdown.render(text))
