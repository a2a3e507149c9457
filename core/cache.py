"""The cache in Redis. While Redis is away, everything works without it, and requests do not wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from core.circuit import Circuit

# Seconds; together they stay below one.
TIMEOUTS = {"socket_connect_timeout": 0.4, "socket_timeout": 0.5}

circuit = Circuit("cache")


class OptionalRedisCache(RedisCache):
    """Django's, but a Redis that is away counts as empty: throttles let through, figures are calculated again."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, {**params, "OPTIONS": {**TIMEOUTS, **params.get("OPTIONS", {})}})

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return _ask(lambda: super(OptionalRedisCache, self).get(key, default, version), default)

    def set(self, key: Any, value: Any, *args: Any, **options: Any) -> None:
        _ask(lambda: super(OptionalRedisCache, self).set(key, value, *args, **options), None)

    def add(self, key: Any, value: Any, *args: Any, **options: Any) -> bool:
        return bool(_ask(lambda: super(OptionalRedisCache, self).add(key, value, *args, **options), False))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(_ask(lambda: super(OptionalRedisCache, self).delete(key, version), False))


def _ask(call: Callable[[], Any], otherwise: Any) -> Any:
    if circuit.is_open:
        return otherwise
    try:
        answer = call()
    except RedisError as error:
        circuit.failed(type(error).__name__)
        return otherwise
    circuit.succeeded()
    return answer
