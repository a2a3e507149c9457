"""Plots as SVG: well formed, in words for whoever can't see them, and within their frame."""

import xml.etree.ElementTree as ElementTree

import pytest

from core.charts import HEIGHT, WIDTH, areas, columns, lines

SERIES = [("one", "first", [1, 5, 3]), ("two", "second", [2, 0, 4])]


def parse(plot):
    return ElementTree.fromstring(f"<div>{plot}</div>")


@pytest.mark.parametrize("draw", [areas, lines, columns])
def test_a_plot_has_a_title_and_says_where_its_numbers_are(draw):
    plot = parse(draw("Ages", ["a", "b", "c"], SERIES)).find("svg")
    assert plot.find("title").text == "Ages"
    assert "numbers are in the table below" in plot.get("aria-label")


@pytest.mark.parametrize("draw", [areas, lines, columns])
def test_hostile_words_are_text(draw):
    plot = str(draw("<script>", ["<b>", "&", "c"], [("one", "<i>", [1, 2, 3])]))
    assert "<script>" not in plot
    assert "<b>" not in plot


def test_several_series_have_a_legend():
    words = [item.text or item[0].tail for item in parse(lines("Ages", ["a", "b", "c"], SERIES)).iter("li")]
    assert words == ["first", "second"]


def test_one_series_needs_no_legend():
    assert parse(columns("Ages", ["a"], [("one", "first", [1])])).find("ul") is None


@pytest.mark.parametrize("value", [0, 0.1, 1, 7, 999, 123_456])
def test_every_column_is_within_the_frame(value):
    for bar in parse(columns("Ages", ["a", "b"], [("one", "first", [value, value / 2])])).iter("rect"):
        assert 0 <= float(bar.get("x")) <= WIDTH
        assert 0 <= float(bar.get("y")) <= float(bar.get("y")) + float(bar.get("height")) <= HEIGHT
