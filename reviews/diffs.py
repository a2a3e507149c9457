"""A unified diff taken apart for the page: its files, their lines with colours, and what had to be left out.

Everything here is bounded, because a diff is a stranger's text: 50 MB, 3,000 files, a path of 4,000 characters.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from html import escape
from itertools import accumulate
from typing import Any

from django.utils.safestring import SafeString
from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_for_filename, get_lexer_by_name
from pygments.token import Comment, Keyword, Name, Number, Operator, String
from pygments.util import ClassNotFound
from unidiff import Hunk, PatchedFile, PatchSet, UnidiffParseError

from core.text import shorten

MAX_TEXT = 1_000_000  # characters of a diff that are kept
MAX_FILES = 300  # that are shown; of the others the names
MAX_NAMES = 3000
MAX_LINES = 5000  # that are shown, of all files together
FOLD_LINES = 400  # a file with more begins folded
OPEN_LINES = 2000  # of all files together; those behind begin folded
MAX_COLOURED = 100_000  # characters of all files together: beyond it the code has no colours
MAX_LINE = 2000  # characters of a line
MAX_SHOWN = 1_000_000  # characters of all lines together
MAX_PATH = 300  # characters of a path that a page shows

# What a terminal or a browser would act on is shown as a picture of itself, or by its number.
_VISIBLE = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"} | {0x7F: "\u2421"}
_VISIBLE |= {
    code: f"[U+{code:04X}]"
    for code in (
        *range(0x80, 0xA0), 0xAD, 0x61C, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070),
        0xFEFF, *range(0xFFF9, 0xFFFC), *range(0xE0000, 0xE0080),
    )
}  # fmt: skip
_HUNK = re.compile(r"^@@ -(?P<old>\d+)(?:,\d+)? \+(?P<new>\d+)(?:,\d+)? @@(?P<rest>[^\n]*)$", re.MULTILINE)
# Bazaar names each file so, also those that have no lines: === renamed file 'a' => 'b' (properties changed: -x to +x)
_BAZAAR = re.compile(
    r"^=== (?P<what>added|removed|modified|renamed) (?P<kind>file|directory|symlink) '(?P<path>[^\n]*?)'"
    r"(?: => '(?P<new>[^\n]*?)')?(?: \((?:properties changed|prop change): (?P<properties>[^)\n]*)\))?$"
)
_PROGRAM = re.compile(r"#! ?(?:/[\w.-]+)*/(?:env +)?(bash|sh|python|perl|ruby|node)[\d.]*\s")
_OCTAL = re.compile(r'\\([0-7]{3}|["\\tn])')
_GROUPS = (  # of tokens: what they are called in the style sheet
    (Comment, "c"), (Keyword, "k"), (String, "s"), (Number, "m"), (Name.Function, "f"), (Name.Class, "f"),
    (Name.Decorator, "f"), (Name.Attribute, "f"), (Name.Tag, "k"), (Name.Builtin, "b"), (Operator.Word, "k"),
)  # fmt: skip


@dataclass(slots=True)
class DiffLine:
    """One line of a diff. ``number`` is its place in the whole diff from 1, which inline comments on Launchpad name."""

    number: int
    old: int | None  # line number before and after
    new: int | None
    sign: str  # "+", "-", or a space
    html: SafeString
    ending: str = ""  # what is odd about the line's end, in words
    comments: Sequence[Any] = ()


@dataclass(slots=True)
class DiffHunk:
    header: str
    lines: list[DiffLine] = field(default_factory=list)


@dataclass(slots=True)
class FileSummary:
    """What is known of a file in a diff without its lines; kept with the diff (``Diff.files``)."""

    path: str
    old_path: str = ""  # where it was renamed
    what: str = ""  # "new", "deleted", "renamed", "binary", or several of these
    mode: str = ""  # in words, where it changed
    added: int = 0
    removed: int = 0
    digest: str = ""  # the same for the same change, wherever it stands in the file
    first: int = 0  # its first line in the whole diff, from 1

    def to_json(self) -> dict[str, Any]:
        """As it is kept: without what is empty."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, value: Any) -> FileSummary:
        """As it was kept; what an older version did not keep is empty."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: kept for name, kept in value.items() if name in known})


@dataclass(slots=True)
class DiffFile:
    """One file of a diff. ``left_out`` says in words why its lines are not shown, all or some of them."""

    summary: FileSummary
    anchor: str = ""  # its ``id`` on the page: the same in each diff that has this file
    hunks: list[DiffHunk] = field(default_factory=list)
    left_out: str = ""
    is_changed: bool = False  # since the reader last looked
    is_folded: bool = False
    comments: list[Any] = field(default_factory=list)  # on lines of it that are not shown

    @property
    def line_count(self) -> int:
        return sum(len(hunk.lines) for hunk in self.hunks)

    @property
    def comment_count(self) -> int:
        return len(self.comments) + sum(len(line.comments) for hunk in self.hunks for line in hunk.lines)


@dataclass(slots=True)
class ParsedDiff:
    """A diff as the page shows it. ``notes`` say what is not shown; ``plain`` is the text where it is no diff;
    ``comments`` are those that stand on no line that is shown."""

    files: list[DiffFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plain: str = ""
    comments: list[Any] = field(default_factory=list)

    @property
    def added(self) -> int:
        return sum(file.summary.added for file in self.files)

    @property
    def removed(self) -> int:
        return sum(file.summary.removed for file in self.files)


def cut(text: str, length: int = MAX_TEXT) -> tuple[str, bool]:
    """The text as it is kept, without what no database takes, and whether it was cut: after a line, in a whole hunk."""
    text = text.replace("\0", "\u2400")
    if len(text) <= length:
        return text, False
    return end_well(text[:length]), True


def end_well(text: str) -> str:
    """The beginning of a diff, without the half of a line at its end; its last hunk has as many lines as it says."""
    kept = text[: text.rfind("\n") + 1] or text
    hunks = list(_HUNK.finditer(kept))
    if not hunks:
        return kept
    last = hunks[-1]
    lines = kept[last.end() + 1 :].split("\n")[:-1]
    before, after = (sum(line[:1] in signs for line in lines) for signs in (("-", " "), ("+", " ")))
    said = re.match(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", last.group())
    if said and before >= int(said[1] or 1) and after >= int(said[2] or 1):
        return kept  # the hunk is whole: what follows it is the beginning of the next file
    if not before and not after:
        return kept[: last.start()]
    header = f"@@ -{last['old']},{before} +{last['new']},{after} @@{last['rest']}"
    return kept[: last.start()] + header + kept[last.end() :]


def summarize(text: str) -> list[FileSummary]:
    """What is known of each file of a diff, in its order; nothing where it is no diff. At most ``MAX_NAMES``."""
    files = _read_files(text)
    return [summary for _, (summary, _) in zip(range(MAX_NAMES), files, strict=False)]


def parse_diff(
    text: str,
    summaries: Sequence[FileSummary] = (),
    *,
    is_cut: bool = False,
    length: int = 0,
    seen: Mapping[str, str] | None = None,
    comments: Mapping[int, Sequence[Any]] | None = None,
) -> ParsedDiff:
    """Take a diff apart. Raises nothing.

    ``summaries`` are those of ``summarize``, which name files behind the text's end if it is cut; ``length`` is how
    long the whole is, in bytes. ``seen`` are the digests, by path, that the reader saw before; None: they saw none.
    ``comments`` are inline comments by the number of their line in the diff.
    """
    diff, waiting = ParsedDiff(), dict(comments or {})
    if is_cut:
        size = f"{length / 1_000_000:.1f} MB, of which the" if length > MAX_TEXT else "cut: the"
        diff.notes.append(f"The diff has {size} beginning is shown here. Launchpad has the whole.")
    budget = _Budget()
    for position, (summary, patched) in enumerate(_read_files(text, summaries)):
        if position >= MAX_NAMES:
            diff.notes.append(f"Of its files {MAX_NAMES:,} are listed here. Launchpad has them all.")
            break
        diff.files.append(_read_file(summary, patched, budget, waiting))
    for whole in summaries[len(diff.files) :]:
        diff.files.append(DiffFile(whole, left_out="Not shown: the diff is too long."))
    if not diff.files and text.strip():
        diff.notes.append("This is not in the form of a unified diff, so it is shown as it came.")
        diff.plain = shorten(text.translate(_VISIBLE), MAX_LINES * 80)
    _name(diff.files)
    _fold(diff.files, seen)
    _place(diff, waiting)
    hidden = sum(bool(file.left_out) for file in diff.files)
    if hidden:
        diff.notes.append(
            f"The lines of {hidden:,} of {len(diff.files):,} files are not shown here, or not all of them."
            if len(diff.files) > 1
            else "Not all of its lines are shown here."
        )
    if budget.uncoloured:
        diff.notes.append(f"Only the first {MAX_COLOURED:,} characters are in colours.")
    return diff


def _name(files: list[DiffFile]) -> None:
    """Give each its anchor."""
    taken: set[str] = set()
    for file in files:
        anchor = "f-" + hashlib.blake2b(file.summary.path.encode("utf-8", "replace"), digest_size=4).hexdigest()
        while anchor in taken:  # the same path twice, or what is left of two that were too long
            anchor += "x"
        file.anchor = anchor
        taken.add(anchor)


def _fold(files: list[DiffFile], seen: Mapping[str, str] | None) -> None:
    """Fold what is long, and what the reader saw as it is; mark what has changed since."""
    shown = 0
    for file in files:
        if seen is not None:
            file.is_changed = seen.get(file.summary.path) != file.summary.digest
        count = file.line_count
        is_long = count > FOLD_LINES or shown + count > OPEN_LINES
        file.is_folded = not file.comment_count and (is_long or (seen is not None and not file.is_changed))
        shown += 0 if file.is_folded else count


def _place(diff: ParsedDiff, waiting: Mapping[int, Sequence[Any]]) -> None:
    """Put the comments whose lines are not shown at the end of their file, or of the page."""
    for number in sorted(waiting):
        holder = next((file for file in reversed(diff.files) if file.summary.first <= number), None)
        (holder.comments if holder else diff.comments).extend(waiting[number])


@dataclass(slots=True)
class _Budget:
    """What may still be shown, of all files together."""

    files: int = MAX_FILES
    lines: int = MAX_LINES
    shown: int = MAX_SHOWN
    coloured: int = MAX_COLOURED
    uncoloured: bool = False

    @property
    def is_spent(self) -> bool:
        return self.lines <= 0 or self.shown <= 0


def _read_files(text: str, known: Sequence[FileSummary] = ()) -> Iterator[tuple[FileSummary, PatchedFile | None]]:
    """Each file of a diff; of Bazaar also those without lines, which unidiff leaves out. ``known`` are the summaries
    of its first files, which are not made again."""
    is_bazaar = text.startswith("=== ") or "\n=== " in text
    try:
        # Bazaar's last files may have no lines; unidiff keeps their headers for a file that follows.
        patch = PatchSet(text + "\n--- \n+++ \n" if is_bazaar else text)
    except (UnidiffParseError, ValueError, IndexError):
        return
    line, position = 1, 0
    for file in patch:
        first = file.diff_line_no or line
        headers = [found for info in file.patch_info or () if (found := _BAZAAR.match(info.rstrip("\n")))]
        is_end = is_bazaar and not file.path and not file
        own = None if is_end or not headers else headers.pop()
        for header in headers:
            yield known[position] if position < len(known) else _summary_of_header(header, first), None
            position += 1
        if not is_end:
            yield known[position] if position < len(known) else _summary(file, own, first), file
            position += 1
        line = file[-1][-1].diff_line_no or first if file and file[-1] else first


def _summary_of_header(header: re.Match[str], first: int) -> FileSummary:
    """Of a file that Bazaar names and shows no lines of."""
    what = {"added": "new", "removed": "deleted", "renamed": "renamed"}.get(header["what"], "")
    kind = f" ({header['kind']})" if header["kind"] != "file" else ""
    path, old = header["new"] or header["path"], header["path"] if header["new"] else ""
    digest = hashlib.blake2b(header.group().encode("utf-8", "replace"), digest_size=8).hexdigest()
    return FileSummary(_path(path), _path(old), what + kind, _words_of(header), digest=digest, first=first)


def _words_of(header: re.Match[str]) -> str:
    return f"mode {header['properties']}"[:100].translate(_VISIBLE) if header["properties"] else ""


def _summary(file: PatchedFile, header: re.Match[str] | None, first: int) -> FileSummary:
    path, old, mode = _unquoted(file.path), "", ""
    if header:  # Bazaar's paths have no prefix that could be taken off
        path = header["new"] or header["path"]
        old = header["path"] if header["new"] else ""
        mode = _words_of(header)
    elif file.is_rename:
        old = _unquoted(file.source_file)
        old = old.removeprefix("a/") if file.target_file.lstrip('"').startswith("b/") else old
    words = []
    if (header and header["what"] == "added") or file.is_added_file:
        words.append("new")
    elif (header and header["what"] == "removed") or file.is_removed_file:
        words.append("deleted")
    elif old:
        words.append("renamed")
    if file.is_binary_file:
        words.append("binary")
    if file.is_submodule:
        words.append("submodule")
    elif file.is_symlink:
        words.append("symlink")
    if not header and file.source_mode and file.target_mode and file.source_mode != file.target_mode:
        mode = f"mode {file.source_mode} to {file.target_mode}"
    return FileSummary(
        _path(path), _path(old), ", ".join(words), mode, file.added, file.removed, _digest(file, mode), first
    )  # fmt: skip


def _read_file(
    summary: FileSummary, patched: PatchedFile | None, budget: _Budget, comments: dict[int, Sequence[Any]]
) -> DiffFile:
    read = DiffFile(summary)
    if patched is None or not patched:
        return read
    if budget.files <= 0 or budget.is_spent:
        read.left_out = "Not shown: the diff is too long for one page."
        return read
    budget.files -= 1
    lexer = _lexer(patched)
    for hunk in patched:
        if budget.is_spent:
            break
        read.hunks.append(_read_hunk(hunk, lexer, budget, comments))
    if sum(line.sign in "+-" for hunk in read.hunks for line in hunk.lines) < summary.added + summary.removed:
        read.left_out = "The rest of this file is not shown: the diff is too long for one page."
    return read


def _read_hunk(hunk: Hunk, lexer: Lexer | None, budget: _Budget, comments: dict[int, Sequence[Any]]) -> DiffHunk:
    lines: list[DiffLine] = []
    texts: list[str] = []
    for line in hunk:
        if line.line_type == "\\" and lines:
            lines[-1].ending = "no newline at the end"
        if line.line_type not in ("+", "-", " "):
            continue
        if len(lines) >= budget.lines or budget.shown <= 0:
            break
        value = line.value.removesuffix("\n")
        ending = "ends with CR LF" if value.endswith("\r") else ""
        text = shorten(value.removesuffix("\r").translate(_VISIBLE), min(MAX_LINE, budget.shown))
        budget.shown -= len(text)
        texts.append(text)
        number = line.diff_line_no or 0
        shown = DiffLine(number, line.source_line_no, line.target_line_no, line.line_type, SafeString(), ending)
        shown.comments = comments.pop(number, ())
        lines.append(shown)
    budget.lines -= len(lines)
    for sign, other in (("+", " "), ("-", "-")):
        side = [(shown, text) for shown, text in zip(lines, texts, strict=True) if shown.sign in (sign, other)]
        for (shown, _), html in zip(side, _colour([text for _, text in side], lexer, budget), strict=True):
            shown.html = SafeString(html)
    header = f"@@ −{hunk.source_start} +{hunk.target_start} @@ {hunk.section_header}"
    return DiffHunk(shorten(header.translate(_VISIBLE), MAX_PATH), lines)


def _colour(texts: list[str], lexer: Lexer | None, budget: _Budget) -> list[str]:
    """Each line as HTML, escaped, with spans of classes ``hl-…`` where the language is known."""
    if lexer is None or not texts:
        return [escape(text) for text in texts]
    count = bisect_right(list(accumulate(len(text) + 1 for text in texts)), budget.coloured)
    budget.coloured -= sum(len(text) + 1 for text in texts[:count])
    budget.uncoloured |= count < len(texts)
    coloured = [""]
    classes: dict[Any, str] = {}
    for token, value in lexer.get_tokens("\n".join(texts[:count])):
        if token not in classes:
            classes[token] = next((name for group, name in _GROUPS if token in group), "")
        name = classes[token]
        for position, piece in enumerate(value.split("\n")):
            if position:
                coloured.append("")
            if piece:
                html = escape(piece)
                coloured[-1] += f'<span class="hl-{name}">{html}</span>' if name else html
    if len(coloured) != count:  # a lexer that changes lines, or there is nothing to colour
        coloured, count = [], 0
    return coloured + [escape(text) for text in texts[count:]]


def _lexer(file: PatchedFile) -> Lexer | None:
    """By the file's name, else by the program that its first line names, as of hooks: ``#!/usr/bin/env python``."""
    try:
        if found := find_lexer_class_for_filename(file.path[-200:]):
            return found(stripnl=False, ensurenl=False)
        first = next((line for line in file[0] if 1 in (line.source_line_no, line.target_line_no)), None)
        program = _PROGRAM.match(first.value) if first else None
        return get_lexer_by_name(program[1], stripnl=False, ensurenl=False) if program else None
    except ClassNotFound:
        return None


def _unquoted(path: str) -> str:
    """A path as it is: Git writes odd ones in quotes, their bytes as octal numbers."""
    if not (len(path) > 1 and path.startswith('"') and path.endswith('"')):
        return path
    escaped = {"t": b"\t", "n": b"\n", '"': b'"', "\\": b"\\"}
    parts = _OCTAL.split(path[1:-1])
    read = b"".join(
        (escaped.get(part) or bytes([int(part, 8) & 255])) if position % 2 else part.encode("utf-8", "replace")
        for position, part in enumerate(parts)
    )
    return read.decode("utf-8", "replace")


def _path(path: str) -> str:
    return shorten(path.translate(_VISIBLE).replace("\n", "\u240a"), MAX_PATH)


def _digest(file: PatchedFile, mode: str) -> str:
    """Of the lines that change, wherever they stand: a file has changed for a reader when it differs."""
    found = hashlib.blake2b(mode.encode(), digest_size=8)
    for hunk in file:
        for line in hunk:
            if line.line_type in ("+", "-"):
                found.update(f"{line.line_type}{line.value}".encode("utf-8", "replace"))
    if not file:  # a binary file has no lines: its header names what it was and is
        found.update("".join(file.patch_info or ()).encode("utf-8", "replace"))
    return found.hexdigest()


def find_line(text: str, *, anchor: str = "", number: int | None = None) -> tuple[int, str] | None:
    """A line of a diff's text, by its address on the page or by its number: that number, and what a person calls it
    (``config.yaml, line 13``). None where there is none."""
    for file in parse_diff(text, []).files:
        for hunk in file.hunks:
            for line in hunk.lines:
                if line.number == number or (number is None and anchor == line_anchor(file, line)):
                    where = f"line {line.new}" if line.new else f"old line {line.old}"
                    return line.number, f"{shorten(file.summary.path, 200)}, {where}"
    return None


def line_anchor(file: DiffFile, line: DiffLine) -> str:
    """The address of a line on the page: by its number after the change, else by that before it."""
    return f"{file.anchor}-{line.new}" if line.new else f"{file.anchor}-o{line.old or ''}"
