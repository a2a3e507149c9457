"""The people of items and comments: made when they are first seen, and kept as Launchpad names them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from accounts.models import Person
from reviews.facts import PersonFacts


def upsert_people(facts: Iterable[PersonFacts], now: datetime) -> dict[str, Person]:
    """The people of those names, created or brought up to date. One query when all are known and unchanged."""
    # In one order, so that no two imports deadlock.
    wanted = {one.username: one for one in sorted(facts, key=lambda one: (one.username, one.display_name))}
    people: dict[str, Person] = Person.objects.in_bulk(wanted, field_name="username")
    if missing := [name for name in wanted if name not in people]:
        Person.objects.bulk_create([Person(username=name) for name in missing], ignore_conflicts=True)
        people |= Person.objects.in_bulk(missing, field_name="username")
    changed = []
    for name, one in wanted.items():
        person = people[name]
        url = one.url or person.url
        is_same = (person.display_name, person.url) == (one.display_name, url)
        if one.display_name and (person.fetched_at is None or not is_same):
            person.display_name, person.url, person.is_team, person.fetched_at = one.display_name, url, one.is_team, now
            changed.append(person)
    if changed:
        Person.objects.bulk_update(changed, ["display_name", "url", "is_team", "fetched_at"])
    return people
