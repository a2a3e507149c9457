"""Who may ask the REST API what, by default. Apart from the views, because DRF loads it before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from rest_framework.permissions import BasePermission, IsAuthenticatedOrReadOnly

from accounts.models import Person, User

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class ReadOnlyUnlessSaid(IsAuthenticatedOrReadOnly):
    """Everybody reads. A method that a view does not have is a 405 for everybody rather than a 403 for visitors."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        known = hasattr(view, str(request.method).lower())
        return not known or super().has_permission(request, view)


def may(request: HttpRequest, permission: str) -> bool:
    """Whether whoever asks has the permission."""
    user = request.user
    return isinstance(user, User) and user.has_perm(permission)


def actor_of(request: HttpRequest) -> Person | None:
    """As whom staff's deeds stand in the history."""
    return request.user.as_person() if isinstance(request.user, User) else None


class IsReviewer(BasePermission):
    """Members of a reviewer team or of the group ``reviewers``."""

    message = "Only reviewers can do this. Reviewers are the members of the reviewer team."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User) and request.user.is_reviewer


def reviewer(request: HttpRequest) -> User:
    """The reviewer who asks. Raises PermissionDenied, in words, for anybody else."""
    user = request.user
    if not isinstance(user, User) or not user.is_reviewer:
        raise PermissionDenied("Only reviewers can do this. Reviewers are the members of the reviewer team.")
    return user
