"""``recheck`` in a comment on Launchpad runs again what failed (docs/specification.md, section 5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from accounts.models import HIDDEN_USERNAME, Person
from reviews.history import record
from reviews.models import Comment, Event, Review, Source, TestsWaitFor
from reviews.starting import is_trusted, missing_trust, starts_for
from reviews.texts import trust_words
from reviews.votes import written_by_author
from testing.models import Recheck, Substrate, TestRun
from testing.runs import NotAllowed, launch_runs, runs_to_repeat

# The word alone on a line, with names of substrates after it or without.
COMMAND = re.compile(r"[ \t]*recheck(?P<names>(?:[ \t,]+[a-z0-9][a-z0-9._-]{0,63})*)[ \t]*", re.IGNORECASE)
MAX_NAMES = 20  # of substrates in one comment


def names_asked(text: str) -> list[str] | None:
    """The names of substrates that a comment asks to test on again; none: on all. None when it does not ask.

    Only what its author wrote now counts: no quotation, no mail below an answer.
    """
    lines = [found for line in written_by_author(text).splitlines() if (found := COMMAND.fullmatch(line))]
    if not lines:
        return None
    names = [re.findall(r"[^\s,]+", line["names"]) for line in lines]
    return list(dict.fromkeys(name for some in names for name in some))[:MAX_NAMES] if all(names) else []


def recheck(review: Review, comments: Sequence[Comment], *, is_first_reading: bool) -> None:
    """Run again what the comments ask for. Call it in the transaction that reads them, with the review's row locked.

    A comment acts once, though it is read again, edited, or hidden and shown again. What was said before the queue read
    anything speaks of no run that ended after it.
    """
    for comment in comments:
        names = names_asked(comment.content)
        if names is None or comment.number is None:
            continue
        _, is_new = Recheck.objects.get_or_create(review=review, number=comment.number)
        if not is_new:
            continue
        launched, note = _act(review, comment.author, names, comment.created_at if is_first_reading else None)
        if launched or not is_first_reading:  # what asked for another CI, years ago, is no news
            record(review, Event.Kind.RECHECK, new="recheck", actor=comment.author, note=note)


def _act(review: Review, author: Person, names: list[str], before: datetime | None) -> tuple[bool, str]:
    """Launch what the comment's author may launch again, of runs that ended ``before``.

    Returns whether something was launched, and what came of it in words.
    """
    is_reviewer = Person.objects.reviewers().filter(pk=author.pk).exists()
    if not is_reviewer and (reason := why_not(review, author)):
        return False, f"Nothing was launched. {reason}"
    runs = [run for run in runs_to_repeat(review) if before is None or _ended_before(run, before)]
    unknown: list[str] = []
    if names:
        known = {one.name.lower(): one.pk for one in Substrate.objects.all()}
        unknown = [name for name in names if name.lower() not in known]
        wanted = {known[name.lower()] for name in names if name.lower() in known}
        runs = [run for run in runs if run.substrate_id in wanted]
    inactive = [run.substrate.name for run in runs if not run.substrate.active]
    substrates = [run.substrate for run in runs if run.substrate.active]
    try:
        # What nobody but the submitter asked for runs only as long as the submitter is trusted.
        launched = launch_runs(review, substrates, author if is_reviewer else None).launched
    except NotAllowed as reason:
        return False, f"Nothing was launched. {reason}"
    said = [
        f"Launched on {', '.join(run.substrate.name for run in launched)}." if launched else "Nothing was launched.",
        f"Unknown substrates: {', '.join(unknown)}." if unknown else "",
        f"Switched off: {', '.join(inactive)}." if inactive else "",
    ]
    if not launched and not unknown and not inactive:
        said.append("No test that failed or was cancelled is left to run again.")
    return bool(launched), " ".join(filter(None, said))


def _ended_before(run: TestRun, moment: datetime) -> bool:
    return run.finished_at is not None and run.finished_at <= moment


def why_not(review: Review, author: Person) -> str:
    """Why somebody who is no reviewer may not start tests again; empty when they may: a trusted submitter."""
    if author.username == HIDDEN_USERNAME:
        return "Launchpad does not say who asked."
    if author.pk != review.owner_id:
        return "Only reviewers and the submitter can do that."
    starts = starts_for(review.source)
    if starts == Source.StartsTests.NOBODY:
        return "Here only reviewers start tests."
    if starts == Source.StartsTests.TRUSTED and not is_trusted(author, review.source):
        return "The submitter is not trusted: a reviewer has to start it."
    if not review.trusted:
        return f"{trust_words(missing_trust(review))}: a reviewer has to start it."
    if review.tests_wait_for == TestsWaitFor.CONFLICTS:
        return "It conflicts with its target: only a reviewer can start tests all the same."
    return ""
