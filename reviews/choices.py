"""What a review can be: its states, who acts next, the colours of its Square."""

from __future__ import annotations

from django.db import models


class State(models.TextChoices):
    """States of a review: stored slug, shown word (docs/specification.md, section 3)."""

    NEW = "new", "NEW"
    PENDING = "pending", "PENDING"
    REVIEWED = "reviewed", "REVIEWED"
    IN_PROGRESS = "in-progress", "IN PROGRESS"
    FOLLOW_UP = "follow-up", "FOLLOW UP"
    READY = "ready", "READY"
    MERGED = "merged", "MERGED"
    CLOSED = "closed", "CLOSED"
    ABANDONED = "abandoned", "ABANDONED"


OPEN_STATES: tuple[str, ...] = (
    State.NEW, State.PENDING, State.REVIEWED, State.IN_PROGRESS, State.FOLLOW_UP, State.READY,
)  # fmt: skip
CLOSED_STATES: tuple[str, ...] = (State.MERGED, State.CLOSED, State.ABANDONED)
INCOMING_STATES: tuple[str, ...] = (State.NEW,)
REVIEWING_STATES: tuple[str, ...] = (State.PENDING, State.FOLLOW_UP, State.READY)
TESTABLE_STATES: tuple[str, ...] = (State.NEW, State.PENDING)
# The submitter is to answer, push or finish something.
SUBMITTER_STATES: tuple[str, ...] = (State.REVIEWED, State.IN_PROGRESS)


class Actor(models.TextChoices):
    """Who has to act next."""

    REVIEWER = "reviewer", "reviewer"
    SUBMITTER = "submitter", "submitter"
    NONE = "none", "no one"


NEXT_ACTOR: dict[str, str] = {
    State.NEW: Actor.REVIEWER,
    State.PENDING: Actor.REVIEWER,
    State.REVIEWED: Actor.SUBMITTER,
    State.IN_PROGRESS: Actor.SUBMITTER,
    State.FOLLOW_UP: Actor.REVIEWER,
    State.READY: Actor.REVIEWER,
    State.MERGED: Actor.NONE,
    State.CLOSED: Actor.NONE,
    State.ABANDONED: Actor.NONE,
}


class Square(models.TextChoices):
    """The coloured Square (docs/specification.md, section 5). ``testing.verdicts`` keeps it on the review."""

    WHITE = "white", "not tested"
    GREEN = "green", "passed"
    RED = "red", "failed"
    BLACK = "black", "running"


class Verdict(models.TextChoices):
    """What all counted runs of one revision say together (docs/specification.md, section 5)."""

    PASS = "pass", "passed"
    FAIL = "fail", "failed"
    ERROR = "error", "error"


class TestsWaitFor(models.TextChoices):
    """Why no test of the current revision starts by itself (docs/specification.md, section 5)."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    PERMISSION = "permission", "a reviewer has to allow it"
    CONFLICTS = "conflicts", "it conflicts with its target"
    DIFF = "diff", "it is not known yet whether it conflicts"  # until a new item was read for the first time
