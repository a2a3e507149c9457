"""REST API of the reviews layer: the list of reviews, and people (SPEC section 7)."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.generics import ListAPIView, RetrieveAPIView

from accounts.models import Person
from core.api.pagination import Pages
from reviews.api.serializers import PersonSerializer, ReviewSerializer
from reviews.filters import ReviewFilter, reviewed_by
from reviews.models import Review

NEWEST = 100  # reviews of each sort that a person's answer holds


class ReviewList(ListAPIView[Review]):
    """Reviews, newest activity first unless ``sort`` says otherwise."""

    serializer_class = ReviewSerializer
    pagination_class = Pages
    filter_backends = [DjangoFilterBackend]
    filterset_class = ReviewFilter
    queryset = Review.objects.for_rows().order_by("-updated_at", "-id")


class PersonView(RetrieveAPIView[Person]):
    """A person: who it is, and their newest reviews of each sort."""

    serializer_class = PersonSerializer
    queryset = Person.objects.all()
    lookup_field = "username"

    def get_object(self) -> Person:
        username = self.kwargs["username"]
        if "\x00" in username:
            raise Http404
        person: Any = super().get_object()
        newest = Review.objects.for_rows().order_by("-updated_at", "-id")
        person.newest_submitted = newest.filter(owner=person)[:NEWEST]
        person.newest_reviewed = newest.filter(reviewed_by(person.username))[:NEWEST]
        person.newest_locked = newest.filter(locked_by=person)[:NEWEST]
        return person
