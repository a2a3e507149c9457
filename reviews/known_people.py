"""Which people a reader may know of."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import HIDDEN_USERNAME, Person
from reviews.managers import Reader
from reviews.models import Comment, Review


def people_known_to(user: Reader) -> QuerySet[Person]:
    """Whom this reader can meet on a page: reviewers, who has an account, who submitted or commented on an item that
    this reader sees, or whose branch is tested in it. Somebody known by a hidden item alone would give it away. Costs
    no query."""
    reviews, comments = Review.objects.visible_to(user), Comment.objects.visible_to(user)
    met = (
        Q(is_reviewer=True)
        | Q(user__isnull=False)
        | Exists(reviews.filter(owner=OuterRef("pk")))
        | Exists(reviews.filter(code_owner=OuterRef("pk")))
        | Exists(reviews.filter(prerequisite_owner=OuterRef("pk")))
        | Exists(comments.filter(author=OuterRef("pk")))
    )
    return Person.objects.filter(met).exclude(username=HIDDEN_USERNAME)
