"""Reviews in the REST API (docs/specification.md, section 7)."""

from __future__ import annotations

from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Person
from accounts.permissions import require_reviewer, require_reviewer_or_staff
from core.api.errors import Conflict
from core.api.pagination import ApiPagination
from reviews.choices import Actor, TestsWaitFor, Verdict
from reviews.filters import ReviewFilter
from reviews.locks import LockedByOther, NotInQueue, lock, unlock
from reviews.managers import ReviewQuerySet
from reviews.models import Review
from reviews.tables import marks_of
from reviews.texts import verdict_words
from reviews.trust import NotPossible, allow_tests


class SubmitterSerializer(serializers.ModelSerializer[Person]):
    """Who submitted it."""

    class Meta:
        model = Person
        fields = ["username", "display_name"]


class VotesSerializer(serializers.Serializer[Review]):
    """How many people's votes count for and against."""

    positive = serializers.IntegerField(source="positive_votes")
    negative = serializers.IntegerField(source="negative_votes")


class MarkSerializer(serializers.Serializer[Review]):
    """What the newest run on a substrate says."""

    substrate = serializers.CharField()
    status = serializers.ChoiceField(choices=["pass", "fail", "error", "running"])
    counts = serializers.BooleanField(help_text="Whether it counts for the verdict.")


class RelatedBugSerializer(serializers.Serializer[Review]):
    """A bug that it is linked to on Launchpad."""

    number = serializers.IntegerField()
    title = serializers.CharField()
    url = serializers.URLField()


class ReviewSerializer(serializers.ModelSerializer[Review]):
    """A review, fetched by ``Review.objects.for_rows()``."""

    next_actor = serializers.ChoiceField(choices=Actor.choices, read_only=True)
    next_reason = serializers.CharField(read_only=True, help_text="Why they act next, in a few words.")
    source = serializers.CharField(source="source.name", default=None, read_only=True, allow_null=True)  # type: ignore[assignment]
    series = serializers.CharField(source="series.name", default=None, read_only=True, allow_null=True)
    owner = SubmitterSerializer(read_only=True)
    votes = serializers.SerializerMethodField()
    locked_by = serializers.CharField(source="locked_by.username", default=None, read_only=True, allow_null=True)
    duplicate_of = serializers.CharField(
        read_only=True, help_text="The page of the bug that it is a duplicate of; empty for none."
    )
    target = serializers.CharField(
        read_only=True, help_text="What it is to be merged into, or a bug's task is on; empty when hidden."
    )
    prerequisite = serializers.CharField(read_only=True, help_text="What has to be merged before it; empty for none.")
    conflicts = serializers.BooleanField(
        read_only=True, allow_null=True, help_text="Whether it conflicts with its target; null: not known."
    )
    tests_wait_for = serializers.ChoiceField(
        choices=[("", "nothing"), *TestsWaitFor.choices], read_only=True,
        help_text="Why no test of the current revision starts by itself; empty: none waits.",
    )  # fmt: skip
    verdict = serializers.ChoiceField(
        choices=[("", "none yet"), *Verdict.choices], read_only=True,
        help_text="What the counted runs of the current revision say together; empty while one is unfinished.",
    )  # fmt: skip
    verdict_text = serializers.SerializerMethodField(help_text="The verdict in a sentence; empty while there is none.")
    marks = serializers.SerializerMethodField(help_text="The newest run on each substrate, of the current revision.")
    code_owner = serializers.CharField(
        source="code_owner.username", default=None, read_only=True, allow_null=True,
        help_text="Whose branch or repository is proposed; null: not known.",
    )  # fmt: skip
    prerequisite_owner = serializers.CharField(
        source="prerequisite_owner.username", default=None, read_only=True, allow_null=True,
        help_text="Whose branch or repository the prerequisite is; null: there is none, or it is not known.",
    )  # fmt: skip
    requested_reviewers = serializers.ListField(
        child=serializers.CharField(), read_only=True,
        help_text="Usernames of the people and teams who are asked to review it and have not voted.",
    )  # fmt: skip
    related_bugs = RelatedBugSerializer(many=True, read_only=True, help_text="Public bugs that it is linked to.")
    in_queue = serializers.BooleanField(
        source="is_in_queue", read_only=True, help_text="False while its source is switched off."
    )

    class Meta:
        model = Review
        fields = [
            "id", "kind", "title", "state", "next_actor", "next_reason", "turn_since", "square", "url", "api_url",
            "source", "series", "revision",
            "owner", "votes", "locked_by", "created_at", "updated_at", "synced_at", "missing_since", "state_reason",
            "duplicate_of", "in_queue", "description", "commit_message", "target", "target_revision", "prerequisite",
            "conflicts", "conflicts_since", "lines_added", "lines_removed", "files_changed", "requested_reviewers",
            "related_bugs", "verdict", "verdict_text", "marks",
            "trusted", "tests_wait_for", "code_owner", "prerequisite_owner",
        ]  # fmt: skip
        read_only_fields = fields

    def get_verdict_text(self, review: Review) -> str:
        return verdict_words(review.verdict, marks_of(review.marks))

    @extend_schema_field(MarkSerializer(many=True))
    def get_marks(self, review: Review) -> list[dict[str, str | bool]]:
        return [
            {"substrate": substrate, "status": status, "counts": counts} for substrate, status, counts in review.marks
        ]

    @extend_schema_field(VotesSerializer)
    def get_votes(self, review: Review) -> dict[str, int]:
        return {"positive": review.positive_votes, "negative": review.negative_votes}


class ReviewList(ListAPIView[Review]):
    """Reviews, newest activity first unless ``sort`` says otherwise."""

    serializer_class = ReviewSerializer
    pagination_class = ApiPagination
    filter_backends = [DjangoFilterBackend]
    filterset_class = ReviewFilter
    queryset = Review.objects.all()  # for the schema; see get_queryset

    def get_queryset(self) -> ReviewQuerySet:
        reviews: ReviewQuerySet = Review.objects.visible_to(self.request.user)
        return reviews.for_rows().newest_first()


class AllowTestsSerializer(serializers.Serializer[Review]):
    """What is allowed."""

    revision = serializers.CharField(
        required=False, max_length=255, help_text="The revision that you looked at; refused when there is a newer one."
    )


class ReviewAllowTests(GenericAPIView[Review]):
    """Test the current revision once, though its submitter is not trusted. Harmless when repeated. Reviewers only."""

    serializer_class = ReviewSerializer
    queryset = Review.objects.all()  # for the schema; see get_queryset

    def get_queryset(self) -> ReviewQuerySet:
        reviews: ReviewQuerySet = Review.objects.visible_to(self.request.user)
        return reviews.for_rows()

    @extend_schema(request=AllowTestsSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Allow it. 409 when there is nothing to allow, or a newer revision than the named one."""
        user, review = require_reviewer(request), self.get_object()
        asked = AllowTestsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        try:
            allow_tests(review.pk, asked.validated_data.get("revision"), actor=user.as_person())
        except NotPossible as reason:
            raise Conflict(str(reason)) from reason
        return Response(self.get_serializer(self.get_object()).data)


class ReviewLock(GenericAPIView[Review]):
    """The lock of a review: "I am reviewing this". POST takes it, DELETE gives it back; both are harmless when
    repeated. Reviewers only; staff may release the lock of somebody else too."""

    serializer_class = ReviewSerializer
    queryset = Review.objects.all()  # for the schema; see get_queryset

    def get_queryset(self) -> ReviewQuerySet:
        reviews: ReviewQuerySet = Review.objects.visible_to(self.request.user)
        return reviews.for_rows()

    @extend_schema(request=None)
    def post(self, request: Request, pk: int) -> Response:
        """Take the lock. 409 when somebody else has it, or the item's source is switched off."""
        user, review = require_reviewer(request), self.get_object()
        try:
            lock(review.pk, user.as_person())
        except LockedByOther as other:
            raise Conflict(f"{other.holder} holds the lock.") from other
        except NotInQueue as reason:
            raise Conflict(str(reason)) from reason
        return self._answer()

    @extend_schema(responses={200: ReviewSerializer})
    def delete(self, request: Request, pk: int) -> Response:
        """Give the lock back. 409 when somebody else has it, unless staff asks."""
        user, review = require_reviewer_or_staff(request), self.get_object()
        try:
            unlock(review.pk, user.as_person(), force=user.is_staff)
        except LockedByOther as other:
            raise Conflict(f"{other.holder} holds the lock. Staff can release it.") from other
        return self._answer()

    def _answer(self) -> Response:
        return Response(self.get_serializer(self.get_object()).data)
