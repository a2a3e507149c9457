"""Who may do what: pages, the REST API and the admin ask here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from rest_framework.permissions import BasePermission, IsAuthenticatedOrReadOnly

from accounts.models import Person, User

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

REVIEWERS_ONLY = "Only reviewers can do this. Reviewers are the members of the reviewer team."


def require_reviewer(request: HttpRequest) -> User:
    """The reviewer who asks. Raises PermissionDenied, in words, for anybody else."""
    user = request.user
    if not isinstance(user, User) or not user.is_reviewer:
        raise PermissionDenied(REVIEWERS_ONLY)
    return user


def require_reviewer_or_staff(request: HttpRequest) -> User:
    """The same where staff may act too: they release the locks of others. Raises PermissionDenied."""
    user = request.user
    return user if isinstance(user, User) and user.is_staff else require_reviewer(request)


def person_of(request: HttpRequest) -> Person | None:
    """The person whose name stands in the history for what the request does; None for visitors."""
    return request.user.as_person() if isinstance(request.user, User) else None


class IsReviewer(BasePermission):
    """REST API: reviewers only."""

    message = REVIEWERS_ONLY

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User) and request.user.is_reviewer


class ReadOnlyForVisitors(IsAuthenticatedOrReadOnly):
    """REST API, unless a view says otherwise: everybody reads, who is logged in may send.

    A method that a view does not have is a 405 for everybody, not a 403 for visitors.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        known = hasattr(view, str(request.method).lower())
        return not known or super().has_permission(request, view)
