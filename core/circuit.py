"""Remembering that an outside service is away, so that only the first who needs it waits for it."""

from __future__ import annotations

import time

import structlog

logger = structlog.get_logger(__name__)

PAUSE_SECONDS = 5.0  # until a service that did not answer is asked again


class Circuit:
    """One service as this process knows it. Asked again by itself after a pause; each outage is logged once."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._away_until = 0.0  # on the monotonic clock
        self._is_away = False

    @property
    def is_open(self) -> bool:
        """Whether to do without the service for now."""
        return time.monotonic() < self._away_until

    def failed(self, reason: str) -> None:
        """The service did not answer: do without it for a while."""
        self._away_until = time.monotonic() + PAUSE_SECONDS
        if not self._is_away:
            self._is_away = True
            logger.warning("service is away, done without it", service=self.service, reason=reason)

    def succeeded(self) -> None:
        """The service answered."""
        if self._is_away:
            self._is_away = False
            logger.info("service is back", service=self.service)

    def reset(self) -> None:
        """Forget what is known, as after a change of the service's address."""
        self._away_until, self._is_away = 0.0, False
