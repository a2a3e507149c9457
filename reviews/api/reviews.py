"""Reviews in the REST API (docs/specification.md, section 7)."""

from __future__ import annotations

from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView

from accounts.models import Person
from core.api.pagination import ApiPagination
from reviews.choices import Actor
from reviews.filters import ReviewFilter
from reviews.managers import ReviewQuerySet
from reviews.models import Review


class SubmitterSerializer(serializers.ModelSerializer[Person]):
    """Who submitted it."""

    class Meta:
        model = Person
        fields = ["username", "display_name"]


class VotesSerializer(serializers.Serializer[Review]):
    """How many people's votes count for and against."""

    positive = serializers.IntegerField(source="positive_votes")
    negative = serializers.IntegerField(source="negative_votes")


class ReviewSerializer(serializers.ModelSerializer[Review]):
    """A review, fetched by ``Review.objects.for_rows()``."""

    next_actor = serializers.ChoiceField(choices=Actor.choices, read_only=True)
    source = serializers.CharField(source="source.name", default=None, read_only=True, allow_null=True)  # type: ignore[assignment]
    series = serializers.CharField(source="series.name", default=None, read_only=True, allow_null=True)
    owner = SubmitterSerializer(read_only=True)
    votes = serializers.SerializerMethodField()
    locked_by = serializers.CharField(source="locked_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Review
        fields = [
            "id", "kind", "title", "state", "next_actor", "square", "url", "api_url", "source", "series", "revision",
            "owner", "votes", "locked_by", "created_at", "updated_at", "synced_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(VotesSerializer)
    def get_votes(self, review: Review) -> dict[str, int]:
        return {"positive": review.positive_votes, "negative": review.negative_votes}


class ReviewList(ListAPIView[Review]):
    """Reviews, newest activity first unless ``sort`` says otherwise."""

    serializer_class = ReviewSerializer
    pagination_class = ApiPagination
    filter_backends = [DjangoFilterBackend]
    filterset_class = ReviewFilter
    queryset = Review.objects.for_rows().newest_first()

    def get_queryset(self) -> ReviewQuerySet:
        reviews: ReviewQuerySet = super().get_queryset()
        return reviews.visible_to(self.request.user)
