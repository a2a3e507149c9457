"""Plots as SVG, drawn by the server. Colours are classes of the style sheet, so that light and dark both fit.

Each carries a title and a description; whoever can't see it has the table that the page puts below.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 30
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
BASE = TOP + PLOT_HEIGHT
LABELS, SLOTS = 5, 8  # words below a plot, at most: along a line, below columns

Series = tuple[str, str, Sequence[float]]  # class of the style sheet, word of the legend, values


def areas(title: str, labels: Sequence[str], series: Sequence[Series], links: Sequence[str] = ()) -> SafeString:
    """Values over time, stacked. ``links``: where each moment leads."""
    below = [0.0] * len(labels)
    top = _ceiling(max([sum(column) for column in zip(*(values for _, _, values in series), strict=True)], default=0))
    shapes = []
    for name, _, values in series:
        above = [low + value for low, value in zip(below, values, strict=True)]
        points = [(_x(i, len(labels)), _y(value, top)) for i, value in enumerate(above)]
        points += [(_x(i, len(labels)), _y(below[i], top)) for i in reversed(range(len(labels)))]
        shapes.append((name, " ".join(f"{x:.1f},{y:.1f}" for x, y in points)))
        below = above
    drawn = format_html_join("", '<polygon class="fill-{}" points="{}"/>', shapes)
    width = PLOT_WIDTH / max(len(labels), 1)
    days = [
        (link, f"{LEFT + i * width:.1f}", TOP, f"{width:.1f}", PLOT_HEIGHT, f"{labels[i]}: {below[i]:g}")
        for i, link in enumerate(links)
    ]
    shape = '<rect class="press" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
    pressed = format_html_join("", '<a href="{}" tabindex="-1">' + shape + "</a>", days)
    return _framed(title, labels, top, drawn + pressed, series)


def lines(title: str, labels: Sequence[str], series: Sequence[Series]) -> SafeString:
    """Values over time, one line each, with a mark at each value; each line has a dash and a mark of its own."""
    top = _ceiling(max([max(values, default=0) for _, _, values in series], default=0))
    drawn = []
    for name, _, values in series:
        points = [(f"{_x(i, len(labels)):.1f}", f"{_y(value, top):.1f}") for i, value in enumerate(values)]
        path = format_html('<polyline class="line-{}" points="{}"/>', name, " ".join(f"{x},{y}" for x, y in points))
        marks = format_html_join(
            "", '<circle class="fill-{}" cx="{}" cy="{}" r="3.5"/>', ((name, x, y) for x, y in points)
        )
        drawn.append((path + marks,))
    return _framed(title, labels, top, format_html_join("", "{}", drawn), series)


def columns(
    title: str, labels: Sequence[str], series: Sequence[Series], links: Sequence[Sequence[str]] = ()
) -> SafeString:
    """Values side by side for each label. ``links``: of each series, where its values lead."""
    top = _ceiling(max([max(values, default=0) for _, _, values in series], default=0))
    slot = PLOT_WIDTH / max(len(labels), 1)
    width = slot * 0.8 / max(len(series), 1)
    bars = [
        (name, f"{LEFT + i * slot + slot * 0.1 + n * width:.1f}", f"{_y(value, top):.1f}", f"{max(width - 1, 0.5):.1f}",
         f"{BASE - _y(value, top):.1f}", f"{labels[i]}: {value:g} {word}")
        for n, (name, word, values) in enumerate(series)
        for i, value in enumerate(values)
    ]  # fmt: skip
    rects = [
        format_html('<rect class="fill-{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>', *bar)
        for bar in bars
    ]
    addresses = [link for each in links for link in each] or [""] * len(rects)
    shapes = format_html_join("", "{}", ((_linked(rect, link),) for rect, link in zip(rects, addresses, strict=True)))
    return _framed(title, labels, top, shapes, series, slots=True)


def _linked(shape: SafeString, link: str) -> SafeString:
    """Pressed with a pointer it leads there; the keyboard finds the same link in the table below the plot."""
    return format_html('<a href="{}" tabindex="-1">{}</a>', link, shape) if link else shape


def _framed(
    title: str, labels: Sequence[str], top: float, shapes: SafeString, series: Sequence[Series], *, slots: bool = False
) -> SafeString:
    """The plot with its grid, labels and, when there are several series, a legend."""
    steps = [top * part / 4 for part in range(5)]
    grid = format_html_join(
        "", '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>',
        ((LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, f"{step:g}")
         for step in steps for y in [round(_y(step, top), 1)]),
    )  # fmt: skip
    count = len(labels)
    most = SLOTS if slots and count <= SLOTS else LABELS
    shown = [round(i * (count - 1) / (most - 1)) for i in range(most)] if count > most else range(count)
    words = []
    for number, i in enumerate(shown):
        x = LEFT + (i + 0.5) * PLOT_WIDTH / count if slots else _x(i, count)
        anchor = "start" if x < LEFT + 30 and not slots else "end" if x > WIDTH - RIGHT - 30 else "middle"
        second = "second" if most == SLOTS and number % 2 else ""  # left out where the window is narrow
        words.append((second, f"{x:.1f}", HEIGHT - 8, anchor, labels[i]))
    legend = format_html_join(
        "", '<li><i class="key ground-{}" aria-hidden="true"></i>{}</li>', ((name, word) for name, word, _ in series)
    )
    return format_html(
        '<svg class="plot" viewBox="0 0 {} {}" role="{}" aria-label="{}"><title>{}</title>{}{}{}</svg>{}',
        WIDTH, HEIGHT, "group" if "<a " in shapes else "img",
        f"{title}: a plot; its numbers are in the table below it.", title, grid, shapes,
        format_html_join("", '<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>', words),
        format_html('<ul class="legend">{}</ul>', legend) if len(series) > 1 else "",
    )  # fmt: skip


def _x(position: int, count: int) -> float:
    return LEFT + (PLOT_WIDTH * position / (count - 1) if count > 1 else PLOT_WIDTH / 2)


def _y(value: float, top: float) -> float:
    return BASE - PLOT_HEIGHT * value / top


def _ceiling(value: float) -> float:
    """The least round number that holds the value and divides by four."""
    size = 4.0
    while size < value:
        for factor in (2, 5, 10):
            if size * factor >= value:
                return size * factor
        size *= 10
    return size
