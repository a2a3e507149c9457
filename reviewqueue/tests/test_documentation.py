"""The documentation names only what exists: files, links, commands, settings, addresses."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.urls import Resolver404, resolve

ROOT = Path(settings.BASE_DIR)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
ROOMS = ("tools", "reviewqueue", "integrations", "testing", "reviews", "accounts", "core")
FOLDERS = tuple(f"{name}/" for name in (*ROOMS, "templates", "static", "docs", "deploy"))
EXAMPLES = {"results.json"}


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request):
    return request.param.relative_to(ROOT), request.param.read_text()


def test_links_lead_somewhere(page):
    path, text = page
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (ROOT / path.parent / name) if name else ROOT / path
        assert linked.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_files_that_are_named_exist(page):
    for name in re.findall(r"`([\w./@-]+)`", page[1]):
        is_file = name.startswith(FOLDERS) or name in ("Dockerfile", "Makefile", "LICENSE") or name.endswith(".md")
        if is_file and "/" in name + "/" and name not in EXAMPLES:
            assert (ROOT / name).exists(), name


def test_commands_that_are_named_exist(page):
    known = get_commands()
    for name in re.findall(r"manage\.py ([a-z_]+)", page[1]):
        assert name in known, name
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    for name in re.findall(r"[`\n ]make ([a-z]+)(?=[`\n ]{1,5}(?:#|`|\n|$))", page[1]):
        assert name in targets, name


def test_settings_that_are_named_exist(page):
    known = set(re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    for name in re.findall(r"`([A-Z][A-Z]+_[A-Z_]+)(?:=[^`]*)?`", page[1]):
        others = (
            "BUILD_URL",
            "GIT_ALLOW_PROTOCOL",
            "NOT_BUILT",
            "REQUESTS_CA_BUNDLE",
            "HTTPS_PROXY",
            "SSL_CERT_FILE",
        )  # Jenkins' own, Git's, and curl's
        assert name in known or name.startswith(("BENCH_", "CHAOS_")) or name in others, name


def test_addresses_that_are_named_exist(page):
    for name in re.findall(r"`(/(?:api|admin|healthz|readyz|metrics|search|stats|about)[\w/-]*)`", page[1]):
        try:
            resolve(name)
        except Resolver404:
            resolve(name + "/")


def test_names_that_stand_beside_a_file_are_defined_there(page):
    for name, file in re.findall(r"`([A-Za-z_]\w*)`(?:\s\(|,\s)`([\w/]+\.py)`\)", page[1]):
        text = (ROOT / file).read_text()
        assert re.search(rf"^\s*(?:def|class) {name}\b|^{name}\b.* = |\b{name} = Signal", text, re.M), (name, file)


def test_every_room_is_described():
    text = (ROOT / "docs/architecture.md").read_text()
    assert [path.strip("/") for path in re.findall(r"^\| `(\w+/)` \|", text, re.M)] == list(ROOMS)
