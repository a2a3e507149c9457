"""Reviews and people as JSON (SPEC section 7)."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Person
from reviews.models import Actor, Review


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
    """A review. Fetch it by ``for_rows()``."""

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


class PersonSerializer(serializers.ModelSerializer[Person]):
    """A person with their newest reviews of each sort; the search finds the older ones."""

    submitted = ReviewSerializer(many=True, read_only=True, source="newest_submitted")
    reviewed = ReviewSerializer(many=True, read_only=True, source="newest_reviewed")
    locked = ReviewSerializer(many=True, read_only=True, source="newest_locked")

    class Meta:
        model = Person
        fields = ["username", "display_name", "is_reviewer", "submitted", "reviewed", "locked"]
        read_only_fields = fields
