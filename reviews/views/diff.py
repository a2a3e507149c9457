"""The diff of a review: a tab of its own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from accounts.models import User
from reviews.diff_requests import LastSeen, TooManyWaiting, ask_for_diff, find_diff, note_diff_seen, why_no_diff
from reviews.diffs import DiffFile, FileSummary, line_anchor, parse_diff
from reviews.models import Diff, InlineComment, Review
from reviews.panels import Place
from reviews.views.review import find_review, review_context

MAX_COMMENTS = 1000  # inline ones of a review, on all of its diffs
MAX_COMMENTS_TEXT = 200_000  # characters of them
FOLDED_NAMES = 50  # a list of more files begins folded


@dataclass(frozen=True)
class Block:
    """Lines of a file, one after the other, and what was said on the last of them."""

    rows: SafeString
    comments: list[InlineComment]


@dataclass(frozen=True)
class ShownFile:
    """A file as the template writes it."""

    file: DiffFile
    blocks: list[Block]


@require_http_methods(["GET", "HEAD", "POST"])
def review_diff(request: HttpRequest, pk: int) -> HttpResponse:
    """What is proposed, file by file. It is fetched when somebody first opens the page, which says so meanwhile.
    POST: try again what failed. At most six queries where the diff is there."""
    review = find_review(request, pk)
    user = request.user if isinstance(request.user, User) else None
    now = timezone.now()
    context: dict[str, Any] = {"no_diff": why_no_diff(review)}
    if not context["no_diff"]:
        diff, last = find_diff(review, user)
        try:
            diff = diff if request.method == "HEAD" else ask_for_diff(review, diff, now=now, again=_is_post(request))
        except TooManyWaiting:
            context["no_diff"] = "Many diffs are being fetched at the moment. Reload this page in a minute."
        if _is_post(request):
            return redirect("review-diff", pk)
        context |= _context(request, review, diff, last, now)
        if user is not None and diff is not None and diff.state == Diff.State.READY:
            note_diff_seen(user, diff, last, now)
    context |= review_context(request, review, "diff", (Place.DIFF,), is_wide=True)
    return render(request, "reviews/diff.html", context)


def _is_post(request: HttpRequest) -> bool:
    return request.method == "POST"


def _context(request: HttpRequest, review: Review, diff: Diff | None, last: LastSeen, now: datetime) -> dict[str, Any]:
    """What the template shows of a diff in its state."""
    if diff is None or diff.state != Diff.State.READY:
        return {"diff": diff}
    here, earlier, is_cut = _inline_comments(review, diff)
    seen = last.digests(diff, now)
    parsed = parse_diff(
        diff.text,
        [FileSummary.from_json(file) for file in diff.files],
        is_cut=diff.is_cut,
        length=diff.length,
        seen=seen,
        comments=here,
    )
    if is_open := request.GET.get("all") == "open":
        for file in parsed.files:
            file.is_folded = False
    return {
        "diff": diff,
        "parsed": parsed,
        "file_count": "1 file" if len(parsed.files) == 1 else f"{len(parsed.files):,} files",
        "files": [ShownFile(file, list(_blocks(file))) for file in parsed.files if _is_shown(file)],
        "changed": sum(file.is_changed for file in parsed.files) if seen is not None else None,
        "is_open": is_open,
        "has_folded": any(file.is_folded for file in parsed.files),
        "is_list_open": len(parsed.files) <= FOLDED_NAMES,
        "earlier": earlier,
        "are_comments_cut": is_cut,
        "is_older": diff.revision != review.revision,
    }


def _is_shown(file: DiffFile) -> bool:
    """Not only named in the list: there is something to see of it."""
    return bool(file.hunks or file.comments or not file.left_out)


def _inline_comments(review: Review, diff: Diff) -> tuple[dict[int, list[InlineComment]], list[InlineComment], bool]:
    """Those on this diff by their line, and those on earlier ones, the newest first; whether some are left out. One
    query."""
    number = diff.number
    here: dict[int, list[InlineComment]] = defaultdict(list)
    earlier = []
    comments = list(
        review.inline_comments.select_related("author").order_by("-diff_number", "line", "at", "id")[: MAX_COMMENTS + 1]
    )
    length, is_cut = 0, len(comments) > MAX_COMMENTS
    for comment in comments[:MAX_COMMENTS]:
        length += len(comment.text)
        if length > MAX_COMMENTS_TEXT:
            is_cut = True
            break
        if comment.diff_number == number:
            here[comment.line].append(comment)
        else:
            earlier.append(comment)
    return here, earlier, is_cut


def _blocks(file: DiffFile) -> list[Block]:
    """The rows of a file's table, as HTML: a template takes ten times as long for thousands of lines."""
    blocks, rows = [], []
    for hunk in file.hunks:
        rows.append(f'<tr class="hunk"><td class="no"><td class="no"><td>{escape(hunk.header)}')
        for line in hunk.lines:
            old, new = line.old or "", line.new or ""
            anchor = line_anchor(file, line)
            link = f'<a href="#{anchor}">{new or old}</a>'
            kind = {"+": ' class="add"', "-": ' class="del"'}.get(line.sign, "")
            end = f' <span class="end" title="{line.ending}">{_END[line.ending]}</span>' if line.ending else ""
            rows.append(
                f'<tr id="{anchor}" data-line="{line.number}"{kind}><td class="no">{old if new else link}'
                f'<td class="no">{link if new else ""}<td class="code">{line.html}{end}'
            )
            if line.comments:
                blocks.append(Block(SafeString("".join(rows)), list(line.comments)))
                rows = []
    if rows:
        blocks.append(Block(SafeString("".join(rows)), []))
    return blocks


_END = {"ends with CR LF": "␍", "no newline at the end": "⊘ no newline at the end"}
