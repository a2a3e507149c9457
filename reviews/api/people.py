"""People in the REST API (docs/specification.md, section 7)."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Person, Trust
from accounts.permissions import require_reviewer
from core.api.errors import Conflict
from reviews.api.reviews import ReviewSerializer
from reviews.known_people import people_known_to
from reviews.models import Review
from reviews.trust import NotPossible, revoke, trust

MAX_REVIEWS = 100  # newest reviews of each sort that a person's answer holds


class TrustSerializer(serializers.ModelSerializer[Trust]):
    """That a reviewer trusts a person: who, and since when."""

    granted_by = serializers.CharField(source="granted_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Trust
        fields = ["granted_by", "granted_at"]
        read_only_fields = fields


class PersonSerializer(serializers.ModelSerializer[Person]):
    """A person with their newest reviews of each sort; the search finds the older ones."""

    trust = TrustSerializer(
        read_only=True, allow_null=True, help_text="Null when no reviewer has said that their code may be tested."
    )
    submitted = ReviewSerializer(many=True, read_only=True, source="newest_submitted")
    reviewed = ReviewSerializer(many=True, read_only=True, source="newest_reviewed")
    locked = ReviewSerializer(many=True, read_only=True, source="newest_locked")

    class Meta:
        model = Person
        fields = ["username", "display_name", "is_reviewer", "trust", "submitted", "reviewed", "locked"]
        read_only_fields = fields


class PersonView(RetrieveAPIView[Person]):
    """A person: who it is, and their newest reviews of each sort."""

    serializer_class = PersonSerializer
    queryset = Person.objects.all()  # for the schema; see get_queryset
    lookup_field = "username"

    def get_queryset(self) -> QuerySet[Person]:
        return people_known_to(self.request.user)

    def get_object(self) -> Person:
        if "\x00" in self.kwargs["username"]:
            raise Http404
        person: Any = super().get_object()
        person.trust = person.trusts.in_force().select_related("granted_by").first()
        newest = Review.objects.visible_to(self.request.user).for_rows().newest_first()
        person.newest_submitted = newest.submitted_by(person)[:MAX_REVIEWS]
        person.newest_reviewed = newest.reviewed_by(person)[:MAX_REVIEWS]
        person.newest_locked = newest.locked_by(person)[:MAX_REVIEWS]
        return person


class PersonTrust(PersonView):
    """Trust in a person: their code is tested without asking. POST grants it, DELETE revokes it; both are harmless when
    repeated. Reviewers only."""

    http_method_names = ["post", "delete", "head", "options"]

    @extend_schema(request=None)
    def post(self, request: Request, username: str) -> Response:
        """Trust them. 409 for who can't be trusted, as a team."""
        user, person = require_reviewer(request), self.get_object()
        try:
            trust(person, actor=user.as_person())
        except NotPossible as reason:
            raise Conflict(str(reason)) from reason
        return self.retrieve(request)

    @extend_schema(responses={200: PersonSerializer})
    def delete(self, request: Request, username: str) -> Response:
        """Trust them no more."""
        user, person = require_reviewer(request), self.get_object()
        revoke(person, actor=user.as_person())
        return self.retrieve(request)
