"""The words of test runs that rows hold."""

from django.db import models


class Status(models.TextChoices):
    """Status of a test run (docs/specification.md, section 5)."""

    RETRY = "retry", "retry"
    PENDING = "pending", "pending"
    RUNNING = "running", "running"
    PASS = "pass", "pass"
    FAIL = "fail", "fail"
    ERROR = "error", "error"
    CANCELED = "canceled", "canceled"


UNFINISHED: tuple[str, ...] = (Status.RETRY, Status.PENDING, Status.RUNNING)
ON_ENGINE: tuple[str, ...] = (Status.PENDING, Status.RUNNING)
OUTCOMES: tuple[str, ...] = (Status.PASS, Status.FAIL, Status.ERROR)


class AttemptOutcome(models.TextChoices):
    """What became of one build request. It decides whether a build of it can exist."""

    SENDING = "sending", "being sent"  # a process took it to send it; if that process died, nobody knows
    UNKNOWN = "unknown", "answer lost"  # the engine was asked, and its answer was lost
    ACCEPTED = "accepted", "accepted"  # the engine has it
    REFUSED = "refused", "refused"  # the engine said no, or was never reached: there is no build
    LOST = "lost", "lost"  # accepted, and no outcome came: the next attempt takes its place, or the run was given up


# A build can exist, though nobody wrote down that the engine took it.
UNSURE: tuple[str, ...] = (AttemptOutcome.SENDING, AttemptOutcome.UNKNOWN)


class TestOutcome(models.TextChoices):
    """Outcome of a single test."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    PASS = "pass", "passed"
    FAIL = "fail", "failed"
    SKIP = "skip", "skipped"


class Standing(models.TextChoices):
    """What the rows know of a failing test: whether it is the item's own fault (docs/specification.md, section 5)."""

    NEW = "new", "new"  # it passed on the item's last revision
    STILL = "still", "still"  # it failed there too
    ELSEWHERE = "elsewhere", "elsewhere"  # it fails on other items, or on the target
    FLAKY = "flaky", "flaky"  # it passed and failed on one revision of the item


EXCUSING: tuple[str, ...] = (Standing.ELSEWHERE, Standing.FLAKY)  # probably not the item's own fault
