"""People in the REST API (docs/specification.md, section 7)."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.generics import RetrieveAPIView

from accounts.models import Person
from reviews.api.reviews import ReviewSerializer
from reviews.known_people import people_known_to
from reviews.models import Review

MAX_REVIEWS = 100  # newest reviews of each sort that a person's answer holds


class PersonSerializer(serializers.ModelSerializer[Person]):
    """A person with their newest reviews of each sort; the search finds the older ones."""

    submitted = ReviewSerializer(many=True, read_only=True, source="newest_submitted")
    reviewed = ReviewSerializer(many=True, read_only=True, source="newest_reviewed")
    locked = ReviewSerializer(many=True, read_only=True, source="newest_locked")

    class Meta:
        model = Person
        fields = ["username", "display_name", "is_reviewer", "submitted", "reviewed", "locked"]
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
        newest = Review.objects.visible_to(self.request.user).for_rows().newest_first()
        person.newest_submitted = newest.submitted_by(person)[:MAX_REVIEWS]
        person.newest_reviewed = newest.reviewed_by(person)[:MAX_REVIEWS]
        person.newest_locked = newest.locked_by(person)[:MAX_REVIEWS]
        return person
