"""Tables and plots of what was measured, and their place in docs/performance.md."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

COLOURS = ("#0b6e4f", "#b5179e", "#c1121f", "#1d4ed8", "#7c5e10", "#374151", "#0891b2", "#ea580c")
TITLE = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


def _n(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def tables(results: dict[str, Any], before: dict[str, Any] | None) -> str:
    """All that was measured, as Markdown."""
    made = f"Measured {results['measured']} on {results['machine']}; gunicorn with {results['workers']} workers."
    parts = [made]
    for size, found in results["sizes"].items():
        parts.append(f"### {_n(int(size), 0)} open reviews, {_n(int(size) * 10, 0)} closed")
        parts.append(_pages(size, found, before))
        held, least = _n(found["memory"], 0), _n(found["floor_memory"], 0)
        parts.append(f"Peak memory of a web worker: {held} MB (floor {least} MB).")
    if len(results["sizes"]) > 1:
        parts += ["### How CPU grows with the number of open reviews", _growth(results)]
    if results["sizes"]:
        parts += ["### The sweep", _sweeps(results, before)]
    planned = {size: found for size, found in results["sizes"].items() if found.get("plans")}
    if planned:
        size, found = list(planned.items())[-1]
        parts += [f"### Plans at {_n(int(size), 0)} open reviews (EXPLAIN ANALYZE)", _plans(found)]
    if results["imports"]:
        parts += ["### Imports", _imports(results, before)]
    if "worker" in results:
        worker = results["worker"]
        parts.append(
            f"Peak memory of a Celery worker process after an import of {_n(worker['reviews'], 0)} proposals and "
            f"reading the comments of {_n(worker['synced'], 0)} of them: {_n(worker['memory'], 0)} MB "
            f"(its parent: {_n(worker['parent'], 0)} MB)."
        )
    return "\n\n".join(parts)


def _pages(size: str, found: dict[str, Any], before: dict[str, Any] | None) -> str:
    old = ((before or {}).get("sizes", {}).get(size) or {}).get("pages", {})
    head = ["page", "queries", "rows", "CPU ms", "floor", "ratio"]
    head += ["before: queries", "CPU ms", "ratio"] if before else []
    head += ["p50 ms", "p95 ms", "requests/s", "floor", "KB"]
    rows = []
    for name, page in found["pages"].items():
        row = [name, str(page["queries"]), str(page["rows"]), _n(page["cpu"], 2), _n(page["floor_cpu"], 2)]
        row.append(f"**{_n(page['ratio'], 2)}**")
        if before:
            past = old.get(name, {})
            row += [str(past.get("queries", "–")), _n(past.get("cpu"), 2), _n(past.get("ratio"), 2)]
        row += [_n(page["p50"]), _n(page["p95"]), _n(page["rate"], 0), _n(page["floor_rate"], 0)]
        rows.append([*row, _n(page["bytes"] / 1024)])
    note = "The floor of *dashboard unchanged* (304) is the full dashboard."
    return _table(head, rows) + "\n\n" + note


def _growth(results: dict[str, Any]) -> str:
    sizes = list(results["sizes"])
    names = list(results["sizes"][sizes[-1]]["pages"])
    rows = []
    for name in names:
        spent = [results["sizes"][size]["pages"].get(name, {}).get("cpu") for size in sizes]
        row = [name, *(_n(one, 2) for one in spent)]
        row.append(f"{spent[-1] / spent[-2]:.2f} ×" if spent[-1] and spent[-2] else "–")
        rows.append(row)
    return _table(["CPU ms per request", *(f"{size} open" for size in sizes), f"{sizes[-2]} → {sizes[-1]}"], rows)


def _sweeps(results: dict[str, Any], before: dict[str, Any] | None) -> str:
    rows = []
    for label, source in (("now", results), ("before", before or {})):
        for found in source.get("sizes", {}).values():
            if "sweep" not in found:
                continue
            idle, due = found["sweep"]["idle"], found["sweep"].get("due")
            if due is None:
                waiting = f"{label}: {found['sweep']['waiting']} waiting"
                measured = [str(idle["queries"]), _n(idle["cpu"]), _n(idle["seconds"] * 1000)]
                rows.append([waiting, *measured, *["–"] * 4])
                continue
            sent = max(1, due["sent"])
            rows.append(
                [
                    f"{label}: {found['sweep']['waiting']} waiting",
                    str(idle["queries"]),
                    _n(idle["cpu"]),
                    _n(idle["seconds"] * 1000),
                    f"{due['sent']} in {due.get('turns', 3)} sweeps",
                    _n(due["cpu"] / sent, 2),
                    _n(due["seconds"] * 1000 / sent, 2),
                    _n(due["queries"] if sent < found["sweep"]["waiting"] else None),  # counted in one more sweep
                ]
            )
    head = [
        "runs",
        "none due: queries",
        "CPU ms",
        "ms",
        "all due: sent",
        "CPU ms/run",
        "ms/run",
        "queries/run",
    ]
    return _table(head, rows)


def _plans(found: dict[str, Any]) -> str:
    rows = []
    for name, plans in found["plans"].items():
        for plan in plans:
            sql = plan["sql"].replace("|", "\\|").replace('"', "")
            rows.append([name, f"`{sql}`", "; ".join(plan["steps"]).replace("|", "\\|"), _n(plan["ms"], 2)])
    table = _table(["where", "query (its beginning)", "read", "ms"], rows)
    unused = [f"`{name}`" for _, name, scans, _ in found["indexes"] if scans == 0]
    return f"{table}\n\nNot used by any of these: {', '.join(unused) or 'none'}."


def _imports(results: dict[str, Any], before: dict[str, Any] | None) -> str:
    rows = []
    for label, source in (("now", results), ("before", before or {})):
        for count, found in source.get("imports", {}).items():
            number, first, talk, same = int(count), found["first"], found["comments"], found["unchanged"]
            for what, one in (("first import", first), ("comments after it", talk)):
                rows.append(
                    [
                        f"{label}: {what}, {count}",
                        str(one["requests"]),
                        _n(one["requests"] / number, 3),
                        _n(one["cpu"] / number, 3),
                        _n(one["seconds"] * 1000 / number, 2),
                        "–",
                        "–",
                    ]
                )
            rows.append(
                [
                    f"{label}: unchanged, {count}",
                    str(same["requests"]),
                    _n(same["requests"] / number, 4),
                    _n(same["cpu"] / number, 4),
                    _n(same["seconds"] * 1000 / number, 3),
                    _n(same["floor_cpu"] / number, 4),
                    f"**{_n(same['ratio'], 2)}**",
                ]
            )
    return _table(["import", "requests", "per item", "CPU ms/item", "ms/item", "floor CPU ms/item", "ratio"], rows)


# --- plots -----------------------------------------------------------------------------------------------------


def _svg(title: str, series: dict[str, list[tuple[float, float]]], x_name: str, y_name: str) -> str:
    """Lines on a logarithmic x axis; readable on light and dark."""
    width, height, left, bottom, top, right = 720, 360, 60, 50, 40, 190
    xs = sorted({x for points in series.values() for x, _ in points})
    most = max([y for points in series.values() for _, y in points], default=1) or 1
    step = 10 ** math.floor(math.log10(most))
    most = math.ceil(most / step * 2) / 2 * step
    low, high = math.log10(xs[0]), math.log10(xs[-1])

    def x_of(x: float) -> float:
        return left + (math.log10(x) - low) / ((high - low) or 1) * (width - left - right)

    def y_of(y: float) -> float:
        return height - bottom - y / most * (height - bottom - top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" '
        f'font-size="12"><title>{title}</title><rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="{left}" y="22" font-size="15" fill="#111">{title}</text>'
    ]
    for number in range(5):
        value = most * number / 4
        parts.append(
            f'<line x1="{left}" x2="{width - right}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}" stroke="#ddd"/>'
            f'<text x="{left - 6}" y="{y_of(value) + 4:.1f}" text-anchor="end" fill="#333">{value:g}</text>'
        )
    for x in xs:
        parts.append(
            f'<text x="{x_of(x):.1f}" y="{height - bottom + 18}" text-anchor="middle" fill="#333">{x:g}</text>'
        )
    parts.append(
        f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle" fill="#333">{x_name}</text>'
    )
    parts.append(f'<text x="{left}" y="36" fill="#333">{y_name}</text>')
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        y = top + 14 + number * 18
        parts.append(f'<rect x="{width - right + 12}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{width - right + 28}" y="{y}" fill="#111">{name}</text>')
    return "".join(parts) + "</svg>\n"


def plots(results: dict[str, Any]) -> dict[str, str]:
    """SVG files by name: CPU and ratio of each page against the number of open reviews."""
    engine, found = results["engine"], {}
    if len(results["sizes"]) > 1:
        for key, y_name in (("cpu", "CPU ms per request"), ("ratio", "CPU, in floors")):
            series: dict[str, list[tuple[float, float]]] = {}
            for size, one in results["sizes"].items():
                for name, page in one["pages"].items():
                    series.setdefault(name, []).append((float(size), page[key]))
            title = f"{y_name} ({TITLE[engine]})"
            found[f"{engine}-{key}.svg"] = _svg(title, series, "open reviews (ten times as many closed)", y_name)
    return found


def write(results: dict[str, Any], before: dict[str, Any] | None, docs: Path) -> None:
    """Put the tables between this engine's markers in performance.md, the plots and the figures beside it."""
    page, folder, engine = docs / "performance.md", docs / "performance", results["engine"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{engine}.json").write_text(json.dumps(results, indent=1) + "\n")
    drawn = plots(results)
    for name, text in drawn.items():
        (folder / name).write_text(text)
    pictures = "\n\n".join(f"![{name.removesuffix('.svg')}](performance/{name})" for name in drawn)
    begin, end = f"<!-- measured: {engine} -->", f"<!-- end: {engine} -->"
    section = f"{begin}\n\n{tables(results, before)}\n\n{pictures}\n\n{end}"
    text = page.read_text() if page.exists() else "# Performance\n"
    if begin in text:
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: section, text, flags=re.DOTALL)
    else:
        text += f"\n## Figures: {TITLE[engine]}\n\n{section}\n"
    page.write_text(text)
