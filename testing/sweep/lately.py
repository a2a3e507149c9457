"""What an engine has started lately, for those who look for a build that nobody wrote down."""

from __future__ import annotations

import threading

from testing.callbacks import callback_url
from testing.ci import BuildRef, CIBackend, CIError
from testing.models import Attempt


class LatelyStarted:
    """Asked for once, however many threads want to know."""

    def __init__(self, ci: CIBackend) -> None:
        self.ci = ci
        self._lock = threading.Lock()
        self._builds: dict[str, BuildRef] | None = None
        self._problem: CIError | None = None

    def find(self, attempt: Attempt, *, tries: int = 1) -> BuildRef | None:
        """Where the attempt's build is, if it is there. Raises CIError when the engine can't be asked now."""
        with self._lock:
            for _ in range(tries):
                if self._builds is None and (self._problem is None or tries > 1):
                    try:
                        self._builds = self.ci.lately_started()
                    except CIError as problem:
                        self._problem = problem
            if self._builds is None:
                raise self._problem or CIError("The engine was not asked.")
        return self._builds.get(callback_url(attempt.run_id, attempt.number))
