"""Templates know only the rooms below theirs, as modules do."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOMS = ["core", "accounts", "reviews", "testing", "integrations", "reviewqueue"]  # from below
FOLDER = Path(settings.BASE_DIR) / "templates"
PIECES = re.compile(r"""\{%\s*(?:include|extends)\s+["']([^"']+)|\{%\s*static\s+["']([^"']+)""")
TAGS = re.compile(r"\{%\s*load\s+([^%]+?)\s*%\}")
TAG_ROOMS = {path.stem: path.parts[-3] for path in Path(settings.BASE_DIR).glob("*/templatetags/*.py")}
TEMPLATES = [path.relative_to(FOLDER) for room in ROOMS for path in sorted((FOLDER / room).rglob("*.html"))]


def rooms_above(room):
    return ROOMS[ROOMS.index(room) + 1 :]


@pytest.mark.parametrize("template", [*TEMPLATES, Path("base.html")], ids=str)
def test_a_template_uses_no_piece_of_a_room_above(template):
    room = template.parts[0] if len(template.parts) > 1 else "core"
    pieces = [one or other for one, other in PIECES.findall((FOLDER / template).read_text())]
    assert [piece for piece in pieces if piece.split("/")[0] in rooms_above(room)] == []


@pytest.mark.parametrize("template", [*TEMPLATES, Path("base.html")], ids=str)
def test_a_template_loads_no_tags_of_a_room_above(template):
    room = template.parts[0] if len(template.parts) > 1 else "core"
    loaded = " ".join(TAGS.findall((FOLDER / template).read_text())).split()
    assert [tag for tag in loaded if TAG_ROOMS.get(tag, "core") in rooms_above(room)] == []


def test_there_are_templates_of_every_room_that_has_pages():
    assert {template.parts[0] for template in TEMPLATES} >= {"core", "accounts", "reviews", "testing", "reviewqueue"}
