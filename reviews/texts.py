"""What pages say of a review's tests and of its absence, in plain words (docs/specification.md, sections 3 and 5)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from accounts.models import Person
from core.text import ago, join_words, utc
from reviews.choices import Square, State, TestsWaitFor, Verdict
from reviews.models import Review

CONFLICTS = "conflicts with its target"


def why_tests_wait(review: Review, now: datetime) -> str:
    """Why no test of the current revision starts by itself, and since when where that is known; empty if none waits.

    Of a revision that was tested, by hand or before the conflicts were known, it does not say that it is not.
    """
    tested = review.square != Square.WHITE
    if review.tests_wait_for == TestsWaitFor.PERMISSION:
        return f"{'No test starts by itself' if tested else 'Not tested'}: a reviewer has to allow it."
    if review.tests_wait_for == TestsWaitFor.DIFF:
        return "Waits: it is not known yet whether it conflicts with its target. Launchpad is asked within minutes."
    if review.tests_wait_for != TestsWaitFor.CONFLICTS:
        return ""
    words = f"No test starts by itself: it {CONFLICTS}" if tested else f"Waits: {CONFLICTS}"
    since = review.conflicts_since
    return words + (f", since {utc(since)} ({ago(since, now)})." if since else ".")


def trust_words(missing: Mapping[str, Person | None]) -> str:
    """Whose trust is missing, as ``reviews.starting.missing_trust`` has it, in words."""
    said = []
    for part, person in missing.items():
        what = "branch of the prerequisite" if part == "prerequisite" else part
        if person is None:
            said.append(f"it is not known whose the {what} is")
        elif part == "submitter":
            said.append(f"{person} is not trusted")
        elif person.is_team:
            said.append(f"the {what} belongs to {person}, a team that its source does not trust")
        else:
            said.append(f"the {what} belongs to {person}, who is not trusted")
    words = "; ".join(said)
    return words[:1].upper() + words[1:]


# What the states mean, for those who learn how the queue works. What is so of one item says ``reviews.turns``.
MEANINGS: dict[str, str] = {
    State.NEW: "A bug that is New, and never was anything else.",
    State.PENDING: "It waits for a review.",
    State.REVIEWED: "It was reviewed, and waits for the submitter's answer.",
    State.IN_PROGRESS: "The submitter is working on it.",
    State.FOLLOW_UP: "It was reviewed, and is to be looked at again.",
    State.READY: "It is approved and waits to be merged or released.",
    State.MERGED: "It is merged.",
    State.CLOSED: "It is done.",
    State.ABANDONED: "Nobody works on it any more.",
}


def missing_notice(review: Review, now: datetime) -> str:
    """Since when Launchpad does not show an item, how often it was asked, and what happens next; empty if it does."""
    if review.missing_since is None:
        return ""
    asked = "once" if review.missing_looks == 1 else f"{review.missing_looks} times in a row"
    since = f"{utc(review.missing_since)} ({ago(review.missing_since, now)})"
    words = f"Launchpad has not shown this item since {since}; it was checked {asked}. {review.sync_error}".rstrip()
    if not review.is_open:
        return f"{words} If it comes back, it is taken up again with its history."
    if review.reported_deleted:
        return f"{words} Launchpad also reported that it was deleted: it becomes ABANDONED with the next check."
    until = review.missing_since + timedelta(hours=settings.MISSING_HOURS)
    least = f"at least {settings.MISSING_LOOKS} checks in a row"
    if until > now:
        return f"{words} It becomes ABANDONED if a check after {utc(until)} does not find it either, after {least}."
    return f"{words} It becomes ABANDONED with one of the next checks if they do not find it, after {least}."


# Why no test starts by itself, as it stands beside the Square.
WAITS: dict[str, str] = {
    TestsWaitFor.PERMISSION: "a reviewer has to allow it",
    TestsWaitFor.CONFLICTS: f"it {CONFLICTS}",
    TestsWaitFor.DIFF: "it is not known yet whether it conflicts with its target",
}


def square_words(review: Review) -> str:
    """What a review's Square says in words; of what is not tested also why."""
    words = tests_word(review.square, review.verdict, [(name, status, counts) for name, status, counts in review.marks])
    if review.square == Square.WHITE and review.tests_wait_for:
        return f"{words}: {WAITS[review.tests_wait_for]}"
    return words


SYMBOLS: dict[str, str] = {Square.WHITE: "–", Square.GREEN: "✓", Square.RED: "✗", Square.BLACK: "…"}

# Marks of substrates: what stands in a review's ``marks``, its symbol, its word.
MARKS: dict[str, tuple[str, str]] = {
    Verdict.PASS: ("✓", "passed"),
    Verdict.FAIL: ("✗", "failed"),
    Verdict.ERROR: ("!", "error"),
    "running": ("…", "under way"),
}
IN_PART = "◐"  # in a green Square whose verdict is not that all passed
Marks = Sequence[tuple[str, str, bool]]  # as ``Review.marks`` has them: substrate, status, whether it counts


def tests_word(square: str, verdict: str, marks: Marks) -> str:
    """What the tests say, in a word or two: the verdict where there is one."""
    if verdict:
        return Verdict(verdict).label
    if any(status == "running" for _, status, _ in marks):
        return Square.BLACK.label
    return Square(square).label


def tests_symbol(square: str, verdict: str) -> str:
    """What stands in the Square: no tick where something failed."""
    return IN_PART if square == Square.GREEN and verdict not in ("", Verdict.PASS) else SYMBOLS[square]


def verdict_words(verdict: str, marks: Marks, shares: Mapping[str, str] | None = None) -> str:
    """The verdict in a sentence: ``Tests failed on azure; lxc and aws passed.`` Empty while there is none.

    ``shares`` says of substrates how much of their tests failed, as ``2 of 41``.
    """
    if not verdict:
        return ""
    names = {
        status: [substrate for substrate, found, counts in marks if counts and found == status]
        for status in (Verdict.FAIL, Verdict.ERROR, Verdict.PASS)
    }
    said = []
    if failed := names[Verdict.FAIL]:
        shown = [f"{name} ({shares[name]})" if shares and shares.get(name) else name for name in failed]
        said.append(f"tests failed on {join_words(shown)}")
    if broken := names[Verdict.ERROR]:
        said.append(f"tests could not be run to an end on {join_words(broken)}")
    if passed := names[Verdict.PASS]:
        said.append(f"{join_words(passed)} passed" if said else f"tests passed on {join_words(passed)}")
    words = "; ".join(said)
    return f"{words[:1].upper()}{words[1:]}." if words else ""
