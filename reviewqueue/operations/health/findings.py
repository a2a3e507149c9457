"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.launchpad.account import Account


@dataclass(frozen=True)
class Problem:
    """What is wrong, and what to do about it."""

    words: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.words} {self.remedy}".strip()


@dataclass(frozen=True)
class Finding:
    """What one check found: facts when all is well, problems when not, neither while there is no answer yet."""

    name: str
    problems: tuple[Problem, ...] = ()
    facts: str = ""
    known: bool = True
    account: Account | None = None  # that the queue acts as on Launchpad, from the check that asks there

    @property
    def ok(self) -> bool:
        return self.known and not self.problems


def found(name: str, *problems: Problem, facts: str = "") -> Finding:
    """A finding with these problems; without any, all is well."""
    return Finding(name, problems, facts)
