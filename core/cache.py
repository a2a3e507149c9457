"""The cache in Redis. It is a help and never needed: while Redis is away, everything goes on without it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)

PATIENCE = 1.0  # seconds for a connection, and for an answer
REST = 5.0  # seconds until a Redis that did not answer is asked again


class _Client(RedisCacheClient):
    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE, **options)
        self._away_until = 0.0

    def _unless_away(self, ask: Callable[[], Any], otherwise: Any) -> Any:
        if time.monotonic() < self._away_until:
            return otherwise
        try:
            return ask()
        except RedisError as error:
            self._away_until = time.monotonic() + REST
            logger.warning("cache is away, done without it", reason=type(error).__name__)
            return otherwise

    def get(self, key: Any, default: Any) -> Any:
        return self._unless_away(lambda: super(_Client, self).get(key, default), default)

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        self._unless_away(lambda: super(_Client, self).set(key, value, timeout), None)

    def add(self, key: Any, value: Any, timeout: Any) -> Any:
        return self._unless_away(lambda: super(_Client, self).add(key, value, timeout), False)

    def delete(self, key: Any) -> Any:
        return self._unless_away(lambda: super(_Client, self).delete(key), False)


class PatientRedisCache(RedisCache):
    """Django's, but a Redis that is away counts as empty: throttles let through, figures are worked out anew."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client
