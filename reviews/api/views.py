"""REST API of the reviews layer: the list of reviews, and people (SPEC section 7)."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from reviews.filters import ReviewFilter, reviewed_by
from reviews.models import Person, Review, User
from reviews.serializers import PersonSerializer, ReviewSerializer

NEWEST = 100  # reviews of each sort that a person's answer holds


class Pages(PageNumberPagination):
    """``page`` and ``page_size`` (100, up to 500)."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 500


class IsReviewer(BasePermission):
    """Members of a reviewer team or of the group ``reviewers``."""

    message = "Only reviewers can do this. Reviewers are the members of the reviewer team."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User) and request.user.is_reviewer


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
