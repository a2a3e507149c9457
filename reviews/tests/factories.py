"""Rows that the tests of this room begin with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from accounts.models import Person
from reviews.models import Comment, Review, State
from reviews.starting import update_starting


def make_person(username: str = "ada", display_name: str = "", **fields: Any) -> Person:
    """The person of that name, made on first need."""
    return Person.objects.get_or_create(username=username, defaults={"display_name": display_name, **fields})[0]


def make_review(title: str = "", *, owner: Person | str = "ada", days: float | None = None, **fields: Any) -> Review:
    """A pending update by ``owner``, of their branch, active ``days`` ago (by default later made is longer ago)."""
    number = Review.objects.count() + 1
    submitter = make_person(owner) if isinstance(owner, str) else owner
    then = timezone.now() - timedelta(days=number if days is None else days)
    values = {
        "state": State.PENDING,
        "kind": "update",
        "created_at": then,
        "updated_at": then,
        "trusted": True,
        "code_owner": submitter,
        **fields,
    }
    return Review.objects.create(
        title=title or f"Item {number}", url=f"https://code.launchpad.net/{number}",
        api_url=f"https://api.launchpad.net/{number}",
        owner=submitter, **values,
    )  # fmt: skip


def make_reviews(count: int, **fields: Any) -> list[Review]:
    """Many pending updates with the same last activity, in one query."""
    owner = fields.pop("owner", None) or make_person()
    then = timezone.now() - timedelta(days=3)
    values = {
        "kind": "update",
        "owner": owner,
        "state": State.PENDING,
        "created_at": then,
        "updated_at": then,
        "trusted": True,
        "code_owner": owner,
    }
    first = Review.objects.count()
    return Review.objects.bulk_create(
        [
            Review(
                title=f"Item {n}", api_url=f"https://api.launchpad.net/{n}", url="https://x/", **{**values, **fields}
            )
            for n in range(first, first + count)
        ],
        batch_size=500,
    )


def make_comment(review: Review, author: Person | str = "eve", content: str = "+1", **fields: Any) -> Comment:
    """A comment, made just now."""
    values = {"api_url": f"c{Comment.objects.count()}", "created_at": timezone.now(), **fields}
    return Comment.objects.create(
        review=review, author=make_person(author) if isinstance(author, str) else author, content=content, **values
    )


def diffs_are_read() -> None:
    """The refreshes that follow an import have read the diffs of the new proposals, and found no conflicts."""
    Review.objects.update(diff_url=F("diff_marker"))
    update_starting(Review.objects.all())
