"""A unified diff taken apart for the page: its files, their lines with colours, and what had to be left out.

Everything here is bounded, because a diff is a stranger's text: 50 MB, 3,000 files, a path of 4,000 characters.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from django.utils.safestring import SafeString
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_for_filename
from pygments.util import ClassNotFound
from unidiff import Hunk, PatchedFile, PatchSet, UnidiffParseError

from core.text import shorten

MAX_TEXT = 1_000_000  # characters of a diff that are kept
MAX_FILES = 300  # that are shown; of the others the names
MAX_NAMES = 3000
MAX_LINES = 5000  # that are shown, of all files together
FOLD_LINES = 400  # a file with more begins folded
MAX_COLOURED = 200_000  # characters of all files together: beyond it the code has no colours
MAX_LINE = 2000  # characters of a line
MAX_PATH = 300  # characters of a path that a page shows

# What a terminal or a browser would act on is shown as a picture of itself, or by its number.
_VISIBLE = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"} | {0x7F: "\u2421"}
_VISIBLE |= {
    code: f"[U+{code:04X}]"
    for code in (*range(0x80, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_HUNK = re.compile(r"^@@ -(?P<old>\d+)(?:,\d+)? \+(?P<new>\d+)(?:,\d+)? @@(?P<rest>[^\n]*)$", re.MULTILINE)
_FORMAT = HtmlFormatter(nowrap=True, classprefix="hl-")


@dataclass(slots=True)
class DiffLine:
    """One line of a diff. ``number`` is its place in the whole diff from 1, which inline comments on Launchpad name."""

    number: int
    old: int | None  # line number before and after
    new: int | None
    sign: str  # "+", "-", or a space
    html: SafeString
    comments: Sequence[object] = ()


@dataclass(slots=True)
class DiffHunk:
    header: str
    lines: list[DiffLine] = field(default_factory=list)


@dataclass(slots=True)
class DiffFile:
    """One file of a diff. ``left_out`` says in words why its lines are not shown, all or some of them."""

    anchor: str
    path: str
    old_path: str = ""  # where it was renamed
    added: int = 0
    removed: int = 0
    what: str = ""  # "new", "deleted", "renamed", "binary"
    digest: str = ""  # the same for the same change, wherever it stands in the file
    hunks: list[DiffHunk] = field(default_factory=list)
    left_out: str = ""
    is_new_to_reader: bool = False

    @property
    def line_count(self) -> int:
        return sum(len(hunk.lines) for hunk in self.hunks)

    @property
    def is_long(self) -> bool:
        return self.line_count > FOLD_LINES

    @property
    def comment_count(self) -> int:
        return sum(len(line.comments) for hunk in self.hunks for line in hunk.lines)


@dataclass(slots=True)
class ParsedDiff:
    """A diff as the page shows it. ``notes`` say what is not shown; ``plain`` is the text where it is no diff."""

    files: list[DiffFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plain: str = ""

    @property
    def added(self) -> int:
        return sum(file.added for file in self.files)

    @property
    def removed(self) -> int:
        return sum(file.removed for file in self.files)


def cut(text: str) -> tuple[str, bool]:
    """The text as it is kept, without what no database takes, and whether it was cut: after a line, in a whole hunk."""
    text = text.replace("\0", "\u2400")
    if len(text) <= MAX_TEXT:
        return text, False
    kept = text[: text.rfind("\n", 0, MAX_TEXT) + 1] or text[:MAX_TEXT]
    hunks = list(_HUNK.finditer(kept))
    if not hunks:
        return kept, True
    last = hunks[-1]
    # The last hunk says how many lines it has: now it has fewer.
    lines = kept[last.end() + 1 :].split("\n")[:-1]
    before, after = (sum(line[:1] in signs for line in lines) for signs in (("-", " "), ("+", " ")))
    header = f"@@ -{last['old']},{before} +{last['new']},{after} @@{last['rest']}"
    return kept[: last.start()] + header + kept[last.end() :], True


def parse_diff(
    text: str, *, was_cut: bool = False, comments: Mapping[int, Sequence[object]] | None = None
) -> ParsedDiff:
    """Take a diff apart. ``comments`` are inline comments by the number of their line in the diff. Raises nothing."""
    diff = ParsedDiff()
    if was_cut:
        diff.notes.append(f"The diff is longer than {MAX_TEXT:,} characters: the rest of it is on Launchpad.")
    if not text.strip():
        return diff
    try:
        patch = PatchSet(text)
    except (UnidiffParseError, ValueError, IndexError):
        patch = PatchSet("")
    if not patch:
        diff.notes.append("It is not in the form of a unified diff, so it is shown as it came.")
        diff.plain = shorten(text.translate(_VISIBLE), MAX_LINES * 80)
        return diff
    budget = _Budget()
    for position, file in enumerate(patch):
        if position >= MAX_NAMES:
            diff.notes.append(f"{len(patch) - MAX_NAMES:,} more files are not listed here.")
            break
        diff.files.append(_read_file(file, position, budget, comments or {}))
    hidden = sum(bool(file.left_out) and file.what != "binary" for file in diff.files)
    if hidden:
        diff.notes.append(
            f"The lines of {hidden:,} of {len(diff.files):,} files are not shown here, or not all of them."
        )
    return diff


@dataclass(slots=True)
class _Budget:
    """What may still be shown, of all files together."""

    files: int = MAX_FILES
    lines: int = MAX_LINES
    coloured: int = MAX_COLOURED


def _read_file(file: PatchedFile, position: int, budget: _Budget, comments: Mapping[int, Sequence[object]]) -> DiffFile:
    path, old = _path(file.path), _path(file.source_file.removeprefix("a/"))
    read = DiffFile(f"file-{position + 1}", path, added=file.added, removed=file.removed, digest=_digest(file))
    if file.is_binary_file:
        read.what, read.left_out = "binary", "A binary file: there are no lines to show."
        return read
    if file.is_rename:
        read.what, read.old_path = "renamed", old
    elif file.is_added_file:
        read.what = "new"
    elif file.is_removed_file:
        read.what = "deleted"
    if budget.files <= 0 or budget.lines <= 0:
        read.left_out = "Not shown: the diff is too long for one page."
        return read
    budget.files -= 1
    lexer = _lexer(file.path)
    for hunk in file:
        if budget.lines <= 0:
            read.left_out = "The rest of this file is not shown: the diff is too long for one page."
            break
        read.hunks.append(_read_hunk(hunk, lexer, budget, comments))
    return read


def _read_hunk(hunk: Hunk, lexer: Lexer | None, budget: _Budget, comments: Mapping[int, Sequence[object]]) -> DiffHunk:
    lines = [line for line in hunk if line.line_type in "+- "][: budget.lines]
    budget.lines -= len(lines)
    texts = [shorten(line.value.rstrip("\n").removesuffix("\r").translate(_VISIBLE), MAX_LINE) for line in lines]
    length = sum(map(len, texts))
    if length > budget.coloured:
        lexer = None
    budget.coloured -= length
    pairs = list(zip(lines, texts, strict=True))
    after = iter(_colour([text for line, text in pairs if not line.is_removed], lexer))
    before = iter(_colour([text for line, text in pairs if line.is_removed], lexer))
    header = f"@@ −{hunk.source_start} +{hunk.target_start} @@ {hunk.section_header}"
    shown = DiffHunk(shorten(header.translate(_VISIBLE), MAX_LINE))
    for line in lines:
        number, html = line.diff_line_no or 0, SafeString(next(before if line.is_removed else after))
        found = DiffLine(number, line.source_line_no, line.target_line_no, line.line_type, html)
        found.comments = comments.get(number, ())
        shown.lines.append(found)
    return shown


def _colour(texts: list[str], lexer: Lexer | None) -> Iterable[str]:
    """Each line as HTML, escaped, with spans of classes ``hl-…`` where the language is known."""
    if lexer is None or not texts:
        return map(escape, texts)
    coloured = highlight("\n".join(texts), lexer, _FORMAT).split("\n")[: len(texts)]
    if len(coloured) != len(texts):  # a lexer that changes lines
        return map(escape, texts)
    return coloured


def _lexer(path: str) -> Lexer | None:
    try:
        found = find_lexer_class_for_filename(path[-200:])
    except ClassNotFound:
        return None
    return found(stripnl=False, ensurenl=False) if found else None


def _path(path: str) -> str:
    return shorten(path.translate(_VISIBLE), MAX_PATH)


def _digest(file: PatchedFile) -> str:
    """Of the lines that change, wherever they stand: a file is new to a reader when it differs."""
    found = hashlib.blake2b(digest_size=8)
    for hunk in file:
        for line in hunk:
            if line.line_type in "+-":
                found.update(f"{line.line_type}{line.value}".encode("utf-8", "replace"))
    return found.hexdigest()
