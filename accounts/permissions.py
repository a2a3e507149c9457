"""Who may do what: pages, the REST API and the admin ask here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied, ValidationError
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


def may_manage(actor: User, account: User) -> bool:
    """Whether staff may edit an account, set its password or make tokens for it: if it has no more rights than theirs.

    Whoever sets the password of an account can use its rights. Costs up to seven queries.
    """
    if actor.is_superuser:
        return True
    account = User.objects.get(pk=account.pk)
    account.is_active = True  # one that is switched off has no rights, until somebody switches it on
    return (
        not account.is_superuser
        and (actor.is_reviewer or not account.is_reviewer)
        and account.get_all_permissions() <= actor.get_all_permissions()
    )


def check_joinable(actor: User, account: User | None, username: str, person: Person | None) -> None:
    """Whether staff may give an account (None: a new one) this name or person.

    An account acts as its person, or as the person of its name. Nobody makes a name that differs from another
    account's by capitals alone: in the history nobody could tell them apart, and single sign-on refuses both.
    Raises ValidationError at the field.
    """
    namesakes = User.objects.filter(username__iexact=username)
    if account:
        namesakes = namesakes.exclude(pk=account.pk)
    if username and (namesake := namesakes.first()):
        raise ValidationError({"username": f"There is an account {namesake.username}: choose another name."})
    if actor.is_superuser:
        return
    field = "person" if person else "username"
    acted_as = person or Person.objects.filter(username__iexact=username).order_by("-is_reviewer").first()
    if acted_as is None:
        return
    if acted_as.is_reviewer and not actor.is_reviewer:
        raise ValidationError({field: f"{acted_as.username} is a reviewer, and you are not. Ask a superuser."})
    owner = User.objects.filter(username=acted_as.username).first()
    if owner and owner != account:
        raise ValidationError({field: f"{acted_as.username} belongs to the account {owner.username}. Ask a superuser."})


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
