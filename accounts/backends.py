"""How a request is recognised: by a session's account, or by an API token."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Exists, OuterRef
from knox.crypto import hash_token
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from accounts.models import REVIEWERS_GROUP, ApiToken, User

MAKE_ANOTHER = "Make a new one on the page Your API tokens (/me/token/)."


def _in_reviewers(user_id: str) -> Exists:
    """Whether the account whose id is in that column is in the group of reviewers; what ``is_reviewer`` looks for."""
    return Exists(User.groups.through.objects.filter(user_id=OuterRef(user_id), group__name=REVIEWERS_GROUP))


class AccountBackend(ModelBackend):
    """Password login and Django's permissions; the user comes with their person, in one query."""

    def get_user(self, user_id: Any) -> User | None:
        """The account that may act, or None. One query; ``person`` and ``is_reviewer`` cost no more."""
        found = User.objects.select_related("person").annotate(in_reviewers=_in_reviewers("pk"))
        user: User | None = found.filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None


class ApiTokenAuthentication(TokenAuthentication):
    """``Authorization: Token …`` of the REST API."""

    def authenticate_credentials(self, key: str) -> tuple[User, ApiToken]:
        """The account of the token, in one query. Raises AuthenticationFailed."""
        tokens = ApiToken.objects.select_related("user__person").annotate(in_reviewers=_in_reviewers("user_id"))
        token = tokens.filter(digest=hash_token(key)).first()
        if token is None:
            raise AuthenticationFailed(f"This API token is unknown: it is mistyped or was revoked. {MAKE_ANOTHER}")
        if token.has_ended:
            raise AuthenticationFailed(f"This API token ended on {token.expiry:%Y-%m-%d}. {MAKE_ANOTHER}")
        if not token.user.is_active:
            raise AuthenticationFailed("The account of this API token is switched off. Ask staff.")
        token.note_use()
        token.user.in_reviewers = token.in_reviewers
        return token.user, token
