"""Local accounts: who is asking, with all that a page wants to know of them, in one query."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Exists, OuterRef

from accounts.models import User

REVIEWERS = "reviewers"  # the Django group whose members review (SPEC section 6)


class AccountBackend(ModelBackend):
    """Password login and Django's permissions; the user comes with their person and their standing."""

    def get_user(self, user_id: Any) -> User | None:
        """The account that may act, or None. One query; ``person`` and ``is_reviewer`` cost no more."""
        memberships = User.groups.through.objects.filter(user_id=OuterRef("pk"), group__name=REVIEWERS)
        found = User.objects.select_related("person").annotate(in_reviewers=Exists(memberships)).filter(pk=user_id)
        user: User | None = found.first()
        return user if user is not None and self.user_can_authenticate(user) else None
