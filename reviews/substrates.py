"""The names of the substrates that items are tested on. The room that keeps their table registers them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_listings: list[Callable[[], Iterable[str]]] = []


def register_substrates(listing: Callable[[], Iterable[str]]) -> None:
    """Take the names from this function, in its order, after those registered before. Call it when the app is ready."""
    _listings.append(listing)


def substrate_names() -> list[str]:
    """All names, those of substrates that are no longer tested on too. One query for each listing."""
    return [name for listing in _listings for name in listing()]
