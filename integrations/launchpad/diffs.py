"""Fetching the text of a proposal's diff when somebody wants to read it (docs/specification.md, section 6)."""

from __future__ import annotations

import structlog
from django.utils import timezone

from core import http
from integrations.launchpad.client import Launchpad, get_launchpad
from integrations.launchpad.entries import PreviewDiff, parse
from integrations.launchpad.errors import InvalidEntry, LaunchpadError, NotAccessible
from integrations.launchpad.extras import try_inline_comments
from reviews.diffs import cut, end_well, summarize
from reviews.models import Diff

logger = structlog.get_logger(__name__)

MAX_BYTES = 5_000_000  # read of a diff; what follows stays on Launchpad


def fetch_diff(pk: int) -> None:
    """Fetch a diff that is waited for, and keep its text or why it can't be had; and the comments on its lines. Three
    to four requests."""
    diff = Diff.objects.select_related("review").filter(pk=pk, state=Diff.State.WAITING).first()
    if diff is None:
        return
    try:
        _read(get_launchpad(), diff)
    except NotAccessible as problem:
        _fail(diff, f"Launchpad does not show this diff to the queue ({problem.status}). It may have a newer one.")
    except LaunchpadError as problem:
        _fail(diff, str(problem))
    except Exception as error:  # whatever is wrong with it, nobody waits for it in vain
        logger.exception("diff not fetched", diff=diff.pk)
        _fail(diff, f"{type(error).__name__}; the log says where.")


def _read(launchpad: Launchpad, diff: Diff) -> None:
    preview = parse(PreviewDiff, launchpad.get(diff.url))
    if not preview.diff_text_link:
        raise InvalidEntry("Launchpad does not say where the text of this diff is.")
    answer = launchpad.get_file(preview.diff_text_link, limit=MAX_BYTES)
    whole = answer.body.decode("utf-8", "replace").replace("\0", "\u2400")
    if not answer.is_whole:
        whole = end_well(whole)
    text, is_cut = cut(whole)
    try_inline_comments(diff.review, diff)  # before it is shown, as whoever waits for it reads them with it
    Diff.objects.filter(pk=diff.pk).update(
        state=Diff.State.READY,
        problem="",
        revision=preview.source_revision_id or diff.revision,
        text=text,
        length=_length(answer),
        is_cut=is_cut or not answer.is_whole,
        files=[summary.to_json() for summary in summarize(whole)],
        fetched_at=timezone.now(),
    )


def _length(answer: http.Response) -> int:
    """How long the whole is, in bytes, as far as Launchpad says it."""
    said = answer.headers.get("content-length", "")
    packed = "content-encoding" in answer.headers
    known = int(said) if said.isascii() and said.isdigit() and len(said) < 19 and not packed else 0
    return max(known, len(answer.body))


def _fail(diff: Diff, words: str) -> None:
    Diff.objects.filter(pk=diff.pk, state=Diff.State.WAITING).update(
        state=Diff.State.FAILED, problem=words, fetched_at=timezone.now()
    )
