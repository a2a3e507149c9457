"""What is expected of whom, in plain words, by kind and state of a review (docs/specification.md, section 3)."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from core.text import ago, join_words, utc
from reviews.choices import Square, State, TestsWaitFor, Verdict
from reviews.models import Review

CONFLICTS = "conflicts with its target"
_TESTED = "Nothing for now. If a test fails below, push a fix: the new revision is tested by itself."

# What the submitter has to do, by state and kind.
EXPECTED_OF_SUBMITTER: dict[tuple[str, str], str] = {
    (State.NEW, Review.Kind.NEW): _TESTED,
    (State.NEW, Review.Kind.UPDATE): _TESTED,
    (State.PENDING, Review.Kind.NEW): _TESTED,
    (State.PENDING, Review.Kind.UPDATE): _TESTED,
    (State.REVIEWED, Review.Kind.NEW):
        "Read the review below, push what it asks for to your branch, then answer in a comment on the bug on "
        "Launchpad. Your comment brings it back to the reviewers.",
    (State.REVIEWED, Review.Kind.UPDATE):
        "Read the review below, push what it asks for to your branch, then answer in a comment on the proposal on "
        "Launchpad. Your comment brings it back to the reviewers.",
    (State.IN_PROGRESS, Review.Kind.NEW):
        "Finish your work, push it, and set the bug on Launchpad to New or Confirmed: then it is back in the queue.",
    (State.IN_PROGRESS, Review.Kind.UPDATE):
        "Finish your work, push it, and set the proposal on Launchpad to Needs review: then it is back in the queue.",
    (State.FOLLOW_UP, Review.Kind.NEW): "Nothing for now: you have answered, and a reviewer looks at it again.",
    (State.FOLLOW_UP, Review.Kind.UPDATE):
        "Nothing for now: a reviewer looks at it again. If merging failed on a conflict, merge the target into yours.",
    (State.READY, Review.Kind.NEW): "Nothing: it is accepted, and a reviewer publishes it.",
    (State.READY, Review.Kind.UPDATE): "Nothing: it is approved, and a reviewer merges it.",
    (State.MERGED, Review.Kind.NEW): "Nothing: it is merged. Thank you.",
    (State.MERGED, Review.Kind.UPDATE): "Nothing: it is merged. Thank you.",
    (State.CLOSED, Review.Kind.NEW): "Nothing: it is done. If you think otherwise, set the bug on Launchpad to New.",
    (State.CLOSED, Review.Kind.UPDATE): "Nothing: it is done.",
    (State.ABANDONED, Review.Kind.NEW):
        "Nothing. If it should live on, push your work and set the bug on Launchpad to New.",
    (State.ABANDONED, Review.Kind.UPDATE):
        "Nothing. If it should live on, push your work and propose it again on Launchpad.",
}  # fmt: skip


def expected_of_submitter(review: Review) -> str:
    """What the submitter has to do now, if anything, in words."""
    words = EXPECTED_OF_SUBMITTER[State(review.state), Review.Kind(review.kind)]
    if words == _TESTED and not review.is_in_queue:
        return "Nothing for now: nothing is tested while its source is switched off."
    if words == _TESTED and review.tests_wait_for:
        return EXPECTED_WHILE_TESTS_WAIT[TestsWaitFor(review.tests_wait_for)]
    return words


EXPECTED_WHILE_TESTS_WAIT: dict[str, str] = {
    TestsWaitFor.PERMISSION: "Nothing for now: a reviewer has to allow its tests.",
    TestsWaitFor.CONFLICTS: "Merge the target into your branch, resolve the conflicts and push: then it is tested.",
}


def why_tests_wait(review: Review, now: datetime) -> str:
    """Why no test of the current revision starts by itself, and since when where that is known; empty if none waits."""
    if review.tests_wait_for == TestsWaitFor.PERMISSION:
        return "Not tested: a reviewer has to allow it."
    if review.tests_wait_for != TestsWaitFor.CONFLICTS:
        return ""
    since = review.conflicts_since
    return f"Waits: {CONFLICTS}" + (f", since {utc(since)} ({ago(since, now)})." if since else ".")


EXPLANATIONS: dict[str, str] = {
    State.NEW: "Nobody has looked at it yet.",
    State.PENDING: "It waits for a reviewer.",
    State.REVIEWED: "It was reviewed; the submitter has to answer.",
    State.IN_PROGRESS: "The submitter is working on it.",
    State.FOLLOW_UP: "The submitter has answered; a reviewer has to look again.",
    State.READY: "It is approved and waits to be merged.",
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
    return (
        f"{words} It stays as it is for now, and becomes ABANDONED after {settings.MISSING_LOOKS} checks in a row "
        f"over at least {settings.MISSING_HOURS:g} hours."
    )


# Why no test starts by itself, as it stands beside the Square.
WAITS: dict[str, str] = {
    TestsWaitFor.PERMISSION: "a reviewer has to allow it",
    TestsWaitFor.CONFLICTS: f"it {CONFLICTS}",
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


def verdict_words(verdict: str, marks: Marks) -> str:
    """The verdict in a sentence: ``Tests failed on azure; lxc and aws passed.`` Empty while there is none."""
    if not verdict:
        return ""
    names = {
        status: [substrate for substrate, found, counts in marks if counts and found == status]
        for status in (Verdict.FAIL, Verdict.ERROR, Verdict.PASS)
    }
    said = []
    if failed := names[Verdict.FAIL]:
        said.append(f"tests failed on {join_words(failed)}")
    if broken := names[Verdict.ERROR]:
        said.append(f"tests could not be run to an end on {join_words(broken)}")
    if passed := names[Verdict.PASS]:
        said.append(f"{join_words(passed)} passed" if said else f"tests passed on {join_words(passed)}")
    words = "; ".join(said)
    return f"{words[:1].upper()}{words[1:]}." if words else ""
