"""Filters that are set, each as a word that one presses to take it off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from django.http import QueryDict


class Chip(NamedTuple):
    """A filter that is set, and the address without it."""

    words: str
    href: str


def build_chips(
    query: QueryDict,
    names: Mapping[str, str],
    choices: Mapping[str, Mapping[str, str]],
    split: Callable[[str, str], list[str]] = lambda _, value: [value],
) -> Iterator[Chip]:
    """A chip for each value of each of these parameters. ``names`` says how each is called, ``choices`` what its values
    are; ``split`` parts a value that names several things, given its parameter."""
    for name, words in names.items():
        values = [part for value in query.getlist(name) for part in split(name, value) if part]
        for value in values:
            kept = query.copy()
            kept.setlist(name, [other for other in values if other != value])
            shown = choices.get(name, {}).get(value, value)
            yield Chip(words.format(shown) if "{}" in words else f"{words}: {shown}", f"?{kept.urlencode()}")
