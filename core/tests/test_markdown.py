"""Markdown as HTML."""

import pytest

from core.markdown import to_html


def test_markdown_becomes_html():
    assert to_html("Read **this** [first](https://example.com/).") == (
        '<p>Read <strong>this</strong> <a href="https://example.com/">first</a>.</p>\n'
    )


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "[x](javascript:alert(1))", "![x](https://example.com/a.png)", '<img src="x">'],
)
def test_nothing_runs_and_nothing_is_fetched(text):
    html = to_html(text)
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html
