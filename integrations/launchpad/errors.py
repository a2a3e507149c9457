"""What can go wrong with Launchpad. ``str()`` of each says it in words, without a URL's secrets or a token."""

from __future__ import annotations


class LaunchpadError(Exception):
    """Launchpad did not answer as it should."""


class TemporaryError(LaunchpadError):
    """It may be over later: no answer in time, no connection, an answer of 5xx, or one that is not Launchpad's."""


class TooMuchAsked(TemporaryError):
    """Launchpad took too long, by our limit or its own, or answered more than fits: asking for less may help."""


class NotAccessible(LaunchpadError):
    """Not there any more (404, 410), or not ours to see (401, 403)."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Launchpad answered {status}: it was deleted, or is private and no longer ours to see.")
        self.status = status


class ConfigurationError(LaunchpadError):
    """Only a person can mend it: credentials that are not accepted, a service root that is not Launchpad's.

    ``status`` is that of the answer, 0 without one.
    """

    def __init__(self, words: str, status: int = 0) -> None:
        super().__init__(words)
        self.status = status


class Refused(LaunchpadError):
    """Launchpad understood what was asked and said no: asking the same again soon changes nothing.

    ``status`` is that of the answer.
    """

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


class InvalidEntry(LaunchpadError):
    """One item's facts are not of the form that Launchpad promises."""
