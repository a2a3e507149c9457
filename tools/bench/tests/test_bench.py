"""``make bench`` goes through, and its figures land in the document without harming what people wrote there."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from django.conf import settings

from tools.bench import report


@pytest.mark.slow
def test_the_benchmark_measures_every_page_the_sweep_and_an_import(tmp_path):
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "tools.bench", "--sizes", "12", "--imports", "3", "--rounds", "1", "--requests", "1",
            "--seconds", "0.05", "--workers", "1", "--only", "pages", "--only", "imports", "--json", str(figures),
            "--docs", str(tmp_path),
        ],
        cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=900,
        env={name: value for name, value in os.environ.items() if name != "BENCH_DATABASE_URL"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(figures.read_text())
    pages = found["sizes"]["12"]["pages"]
    assert {"dashboard", "dashboard JSON", "review", "admin runs", "callback"} <= set(pages)
    assert all(page["cpu"] > 0 and page["floor_cpu"] > 0 and page["queries"] >= 0 for page in pages.values())
    assert found["sizes"]["12"]["sweep"]["idle"]["queries"] == 1
    assert found["imports"]["3"]["unchanged"]["requests"] == 1
    assert "| callback |" in (tmp_path / "performance.md").read_text()


def test_figures_replace_the_old_ones_and_nothing_else(tmp_path):
    page = {"cpu": 2.0, "floor_cpu": 1.0, "ratio": 2.0, "queries": 3, "rows": 9, "p50": 1.0, "p95": 2.0, "rate": 5.0}
    page |= {"floor_rate": 9.0, "bytes": 2048}
    sweep = {"waiting": 1, "idle": {"queries": 3, "cpu": 1.0, "seconds": 0.1}}
    sweep["due"] = {"sent": 1, "cpu": 1.0, "seconds": 0.1, "queries": 9.0}
    size = {"pages": {"dashboard": page}, "memory": 90.0, "floor_memory": 50.0, "sweep": sweep}
    results = {"engine": "sqlite", "sizes": {"10": size, "100": size}, "imports": {}, "measured": "now"}
    results |= {"machine": "here", "workers": 2}
    report.write(results, None, tmp_path)
    document = tmp_path / "performance.md"
    document.write_text(document.read_text().replace("# Performance\n", "# Performance\n\nWritten by hand.\n"))
    report.write({**results, "measured": "later"}, results, tmp_path)
    text = document.read_text()
    assert "Written by hand." in text
    assert (text.count("Measured later"), text.count("Measured now")) == (1, 0)
    drawings = list((tmp_path / "performance").glob("*.svg"))
    assert len(drawings) == 2
    for drawing in drawings:
        assert ElementTree.parse(drawing).getroot().tag.endswith("svg")
