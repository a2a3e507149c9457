"""The queue: sources, series, reviews, comments with votes, history.

Rules that the database can guard are constraints here; values that pages read hot (Square, votes) are kept on the
review at write time by the one function that owns each of them.
"""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from accounts.models import Person, User
from core.secret_field import SecretField
from reviews.choices import (
    CLOSED_STATES,
    INCOMING_STATES,
    NEXT_ACTOR,
    OPEN_STATES,
    REVIEWING_STATES,
    TESTABLE_STATES,
    Actor,
    Square,
    State,
    TestsWaitFor,
    Verdict,
)
from reviews.managers import CommentQuerySet, Reader, ReviewQuerySet, SourceQuerySet, may_see_private
from reviews.turns import TurnFacts, counted_marks, next_actor, reason

__all__ = [
    "CLOSED_STATES",
    "INCOMING_STATES",
    "NEXT_ACTOR",
    "OPEN_STATES",
    "PRUNED_TEXT",
    "REVIEWING_STATES",
    "TESTABLE_STATES",
    "Actor",
    "AllowedRevision",
    "Comment",
    "Diff",
    "Event",
    "InlineComment",
    "Review",
    "ReviewQuerySet",
    "ReviewRequest",
    "Series",
    "Source",
    "Square",
    "State",
    "TestsWaitFor",
    "Verdict",
    "Visit",
]

PRUNED_TEXT = "[The text is on Launchpad; here it was pruned.]"  # what stands in place of an old comment's text


class Series(models.Model):
    """A series (``trusty``). Items of an inactive series are ABANDONED."""

    name = models.CharField(max_length=255)
    target = models.CharField(max_length=255, blank=True, help_text="Distribution or project that it belongs to.")
    api_url = models.CharField(max_length=500, unique=True)
    active = models.BooleanField(default=True)
    active_outside = models.BooleanField(
        default=True,
        editable=False,
        help_text="What Launchpad last said; `active` follows it only when it changes.",
    )
    fetched_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "series"
        ordering = ["target", "name"]

    def __str__(self) -> str:
        return self.name


class Source(models.Model):
    """One place on Launchpad that items are imported from."""

    class Kind(models.TextChoices):
        TEAM_BRANCHES = "team-branches", "team-branches: proposals into package branches owned by a team"
        REQUESTED_REVIEWS = (
            "requested-reviews",
            "requested-reviews: proposals a person or team was asked to review",
        )
        PROJECT = "project", "project: all of a project's proposals"
        GIT_REPOSITORY = "git-repository", "git-repository: proposals into one repository"
        DISTRIBUTION_BUGS = (
            "distribution-bugs",
            "distribution-bugs: bugs of a distribution with linked branches",
        )

    class Comments(models.TextChoices):
        DEFAULT = "default", "as TESTING_COMMENTS says"
        ON = "on", "post"
        OFF = "off", "do not post"

    class PrivateItems(models.TextChoices):
        NO = "no", "no: private items are not imported"
        REVIEWERS = "reviewers", "reviewers only: imported, and shown to reviewers and staff alone"

    class StartsTests(models.TextChoices):
        EVERYBODY = "everybody", "everybody: every new item and revision"
        TRUSTED = "trusted", "trusted: those of reviewers and of people whom they trust; the others wait for a reviewer"
        NOBODY = "nobody", "nobody: a reviewer starts each test"

    class VotePolicy(models.TextChoices):
        BOTH = "both", "both: Approve, and Needs Fixing"
        FAILURES = "failures", "failures: Needs Fixing, and Abstain when the tests pass after that"
        NONE = "none", "none: comments only"

    class BuildUrl(models.TextChoices):
        BY_KIND = "", "as its kind has it (team-branches: the proposal's page)"
        PROPOSED = "proposed", "what is proposed"
        PROPOSAL_PAGE = "proposal-page", "the proposal's page: the job merges by itself"

    name = models.SlugField(max_length=100, unique=True, help_text="How commands and pages call it.")
    kind = models.CharField(max_length=32, choices=Kind.choices)
    target = models.CharField(
        max_length=500,
        help_text="Team, person, project or distribution; a Git repository by its path (~owner/project/+git/name).",
    )
    distribution = models.CharField(
        max_length=255,
        blank=True,
        help_text="team-branches only: take package branches of this distribution.",
    )
    excluded_tags = models.JSONField(
        default=list, blank=True, help_text='Bugs with one of these tags are ABANDONED, as ["not-a-charm"].'
    )
    active = models.BooleanField(default=True)
    comments = models.CharField(
        "post outcomes", max_length=8, choices=Comments.choices, default=Comments.DEFAULT,
        help_text="Whether test outcomes are posted to Launchpad as comments.",
    )  # fmt: skip
    private_items = models.CharField(
        max_length=16, choices=PrivateItems.choices, default=PrivateItems.NO,
        help_text="Whether items that are private on Launchpad come in, and who sees them.",
    )  # fmt: skip
    starts_tests = models.CharField(
        "tests start by themselves for", max_length=16, choices=StartsTests.choices, default=StartsTests.TRUSTED,
        help_text="Whose code runs on your machines without anybody being asked.",
    )  # fmt: skip
    tests_targets = models.BooleanField(
        "test the targets", default=False,
        help_text="Once a day, what its open items merge into is tested by itself: what fails there is not theirs.",
    )  # fmt: skip
    reviewer_teams = models.JSONField(
        default=list, blank=True, help_text="Names of teams on Launchpad that review it; empty: REVIEWER_TEAMS."
    )
    trusted_teams = models.JSONField(
        default=list, blank=True, help_text="Names of teams on Launchpad whose members' code is tested without asking."
    )
    vote_policy = models.CharField(
        "votes", max_length=16, choices=VotePolicy.choices, default=VotePolicy.FAILURES,
        help_text="How the comment with the verdict votes on a merge proposal.",
    )  # fmt: skip
    status_reports = models.BooleanField(
        default=False, help_text="Git proposals only: also report each run and the verdict on the commit."
    )
    build_url = models.CharField(
        "url of a build", max_length=16, choices=BuildUrl.choices, default=BuildUrl.BY_KIND, blank=True,
        help_text="What a build gets as its parameter url.",
    )  # fmt: skip
    text = models.TextField(blank=True, help_text="Markdown, shown over its items.")
    webhook_secret = SecretField(
        max_length=255,
        help_text="Shared with Launchpad's webhook; leave empty to refuse webhooks.",
    )
    cursor = models.DateTimeField(null=True, blank=True, editable=False)  # modified_since of the next bug import
    # What the cursor was reached with: kind, target, distribution, excluded tags. Another one starts from nothing.
    cursor_scope = models.JSONField(default=list, blank=True, editable=False)
    last_import_at = models.DateTimeField(null=True, blank=True, editable=False)  # last attempt
    last_success_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)

    objects: ClassVar = SourceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def builds_get_proposal_page(self) -> bool:
        """Whether a build's ``url`` is the proposal's page, as the classic runner expects: it merges by itself."""
        if self.build_url == self.BuildUrl.BY_KIND:
            return self.kind == self.Kind.TEAM_BRANCHES
        return self.build_url == self.BuildUrl.PROPOSAL_PAGE


class Review(models.Model):
    """One imported item: a merge proposal (``update``) or a bug task (``new``)."""

    class Kind(models.TextChoices):
        NEW = "new", "new"
        UPDATE = "update", "update"

    source = models.ForeignKey(Source, null=True, on_delete=models.SET_NULL, related_name="reviews")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    title = models.TextField()
    state = models.CharField(max_length=16, choices=State.choices)
    launchpad_status = models.CharField(max_length=64, blank=True)
    url = models.URLField(max_length=1000)
    api_url = models.CharField(max_length=1000)
    # What makes it the same item whatever its address: a proposal's number, or a bug's number and the task's target.
    number = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="Launchpad's number of the proposal, or of the bug."
    )
    bug_target = models.CharField(
        max_length=500, blank=True, editable=False, help_text="Bug tasks only: what the task is on, by its path."
    )
    private = models.BooleanField(default=False, editable=False, help_text="Private on Launchpad.")
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="When it left the queue, open as it is: private, or its source switched off.",
    )  # fmt: skip
    state_reason = models.TextField(
        blank=True, editable=False, help_text="Why it is ABANDONED, where its status on Launchpad does not say it."
    )
    duplicate_of = models.URLField(
        max_length=1000, blank=True, editable=False, help_text="The page of the bug that it is a duplicate of."
    )
    test_url = models.CharField(max_length=1000, blank=True, help_text="What is proposed, as builds are told it.")
    branch = models.CharField(max_length=500, blank=True, help_text="Git path of what is proposed, if it is Git.")
    revision = models.CharField(max_length=255, blank=True, help_text="Tip of what is proposed.")
    diff_marker = models.CharField(max_length=1000, blank=True, editable=False)
    comments_url = models.CharField(max_length=1000, blank=True, editable=False)
    # What is proposed for what, as builds are told it. Of Git the address of the repository and the name of the branch.
    source_url = models.CharField(max_length=1000, blank=True, editable=False)
    source_branch = models.CharField(max_length=500, blank=True, editable=False)
    target_url = models.CharField(max_length=1000, blank=True, editable=False)
    target_branch = models.CharField(max_length=500, blank=True, editable=False)
    target = models.CharField(max_length=1000, blank=True, editable=False, help_text="The target as pages show it.")
    prerequisite_url = models.CharField(max_length=1000, blank=True, editable=False)
    prerequisite_branch = models.CharField(max_length=500, blank=True, editable=False)
    prerequisite = models.CharField(
        max_length=1000, blank=True, editable=False, help_text="The prerequisite as pages show it."
    )
    description = models.TextField(blank=True, editable=False)
    commit_message = models.TextField(blank=True, editable=False)
    diff_url = models.CharField(
        max_length=1000, blank=True, editable=False, help_text="The diff that conflicts and lines are of."
    )
    conflicts = models.BooleanField(
        null=True, editable=False, help_text="Whether it conflicts with its target; empty: not known."
    )
    conflicts_text = models.TextField(blank=True, editable=False, help_text="The conflicts as Launchpad lists them.")
    conflicts_since = models.DateTimeField(null=True, blank=True, editable=False)
    lines_added = models.PositiveIntegerField(null=True, blank=True, editable=False)
    lines_removed = models.PositiveIntegerField(null=True, blank=True, editable=False)
    files_changed = models.PositiveIntegerField(null=True, blank=True, editable=False)
    target_revision = models.CharField(
        max_length=255, blank=True, editable=False, help_text="Tip of the target in the last diff."
    )
    related_bugs = models.JSONField(
        default=list, blank=True, editable=False,
        help_text="Bugs that it is linked to on Launchpad: number, title and url of each.",
    )  # fmt: skip
    requested_reviewers = models.JSONField(
        default=list, blank=True, editable=False,
        help_text="Usernames of the people and teams who are asked to review it and have not voted.",
    )  # fmt: skip
    extras_read_at = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="When requested reviewers and related bugs were last read; empty: read them with the next look.",
    )  # fmt: skip
    series = models.ForeignKey(Series, null=True, blank=True, on_delete=models.SET_NULL, related_name="reviews")
    owner = models.ForeignKey(
        Person, on_delete=models.PROTECT, related_name="submitted", db_index=False
    )  # review_owner begins with it
    # Who can push to what is tested: the submitter is not always the one.
    code_owner = models.ForeignKey(
        Person, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+",
        help_text="Whose branch or repository is proposed; empty: not known.",
    )  # fmt: skip
    prerequisite_owner = models.ForeignKey(
        Person, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+",
        help_text="Whose branch or repository the prerequisite is; empty: there is none, or it is not known.",
    )  # fmt: skip
    created_at = models.DateTimeField(help_text="When it was submitted.")
    updated_at = models.DateTimeField(help_text="Last activity on Launchpad.")
    imported_at = models.DateTimeField(default=timezone.now, editable=False)
    synced_at = models.DateTimeField(
        null=True, blank=True, help_text="When Launchpad was last asked, comments included."
    )
    due_at = models.DateTimeField(default=timezone.now, help_text="When it is brought up to date next.")
    sync_error = models.TextField(
        blank=True, editable=False, help_text="Why the last try to bring it up to date failed."
    )
    looked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When Launchpad was last asked about it, whatever it answered."
    )
    missing_since = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When Launchpad first did not let us see it; empty: it is there.",
    )
    missing_looks = models.PositiveIntegerField(
        default=0, editable=False, help_text="How often in a row Launchpad did not let us see it."
    )
    reported_deleted = models.BooleanField(
        default=False, editable=False, help_text="A webhook said that it was deleted, and nothing has contradicted it."
    )
    locked_by = models.ForeignKey(
        Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="locked", db_index=False
    )  # review_locked has those that are
    locked_at = models.DateTimeField(null=True, blank=True)
    square = models.CharField(max_length=8, choices=Square.choices, default=Square.WHITE, editable=False)
    verdict = models.CharField(
        max_length=8, choices=Verdict.choices, blank=True, default="", editable=False,
        help_text="What all counted runs of the current revision say; empty while one is unfinished.",
    )  # fmt: skip
    verdict_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When the verdict last changed.")
    marks = models.JSONField(
        default=list, blank=True, editable=False,
        help_text="Of each substrate that the current revision was tested on: its name, and the newest run's status.",
    )  # fmt: skip
    tests_excused = models.BooleanField(
        default=False,
        editable=False,
        help_text="The verdict is fail, and each failing test fails elsewhere too, or is flaky.",
    )
    trusted = models.BooleanField(
        default=False, editable=False, help_text="Its current revision may be tested without anybody being asked."
    )
    tests_wait_for = models.CharField(
        max_length=16, choices=TestsWaitFor.choices, blank=True, default="", editable=False,
        help_text="Why no test of the current revision starts by itself; empty: none waits.",
    )  # fmt: skip
    positive_votes = models.PositiveIntegerField(default=0, editable=False)
    negative_votes = models.PositiveIntegerField(default=0, editable=False)
    voters = models.JSONField(
        default=list, blank=True, editable=False,
        help_text="Who votes how, newest last: name, and +1 or −1; at most 20.",
    )  # fmt: skip
    objections = models.PositiveIntegerField(
        default=0, editable=False,
        help_text="People whose latest vote asks for changes of the current revision, with no answer since.",
    )  # fmt: skip
    objected_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When the last of them did.")
    answered_at = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="When the submitter first answered what others said last; empty: not answered.",
    )  # fmt: skip
    revision_at = models.DateTimeField(
        null=True, blank=True, editable=False,
        help_text="When the current revision was first seen; empty: it is the first one.",
    )  # fmt: skip
    turn_since = models.DateTimeField(
        default=timezone.now, editable=False, help_text="Since when it is the turn of whoever acts next."
    )
    first_reviewed_at = models.DateTimeField(null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["updated_at", "id"]
        constraints = [
            # However often and from however many sources it is seen, an item is one row.
            models.UniqueConstraint(fields=["number"], condition=Q(kind="update"), name="one_review_per_proposal"),
            models.UniqueConstraint(
                fields=["number", "bug_target"], condition=Q(kind="new"), name="one_review_per_bug_task"
            ),
            models.CheckConstraint(condition=Q(state__in=State.values), name="review_state_known"),
            models.CheckConstraint(
                condition=Q(locked_by__isnull=True) | Q(locked_at__isnull=False), name="lock_has_a_time"
            ),
        ]
        indexes = [
            # Dashboard: one state, oldest activity first, open items only.
            models.Index(fields=["state", "updated_at", "id"], name="review_line", condition=Q(state__in=OPEN_STATES)),
            # Dashboard, API: several states in one order. Closed items, ten times as many, are not in it.
            models.Index(fields=["updated_at", "id"], name="review_open_line", condition=Q(state__in=OPEN_STATES)),
            models.Index(fields=["due_at"], name="review_due"),  # refresh_active
            # The item of a prerequisite: what is proposed there is what has to be merged here first.
            models.Index(fields=["source_url"], name="review_proposed", condition=~Q(source_url="")),
            models.Index(fields=["api_url"], name="review_api_url"),  # rows from before numbers were kept
            models.Index(fields=["withdrawn_at"], name="review_withdrawn", condition=Q(withdrawn_at__isnull=False)),
            models.Index(fields=["tests_wait_for"], name="review_held", condition=~Q(tests_wait_for="")),
            models.Index(fields=["looked_at"], name="review_looked_at"),  # how many are missing of those looked at
            models.Index(fields=["updated_at", "id"], name="review_activity"),  # search, newest first
            models.Index(fields=["state", "-updated_at"], name="review_state_activity"),  # search by state
            models.Index(fields=["owner", "-updated_at"], name="review_owner"),  # person page: submitted
            models.Index(
                fields=["locked_by"], name="review_locked", condition=Q(locked_by__isnull=False)
            ),  # person page: locked
            models.Index(fields=["closed_at"], name="review_closed", condition=Q(closed_at__isnull=False)),  # stats
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("review", args=[self.pk])

    @property
    def turn(self) -> TurnFacts:
        """What says whose turn it is."""
        return TurnFacts(
            state=self.state,
            is_proposal=self.kind == self.Kind.UPDATE,
            launchpad_status=self.launchpad_status,
            state_reason=self.state_reason,
            verdict=self.verdict,
            excused=self.tests_excused,
            marks=counted_marks(self.marks),
            conflicts=self.conflicts,
            objections=self.objections,
            negative_votes=self.negative_votes,
            positive_votes=self.positive_votes,
            is_reviewed=self.first_reviewed_at is not None,
            is_answered=self.answered_at is not None,
            tests_wait_for=self.tests_wait_for,
        )

    @property
    def next_actor(self) -> str:
        """Who has to act next (docs/specification.md, section 3). ``ReviewQuerySet.next_for`` asks the same."""
        return next_actor(self.turn)

    @property
    def next_reason(self) -> str:
        """Why, in a sentence without a full stop."""
        return reason(self.turn)

    def is_visible_to(self, user: Reader) -> bool:
        """As ``Review.objects.visible_to``; asks who the reader is only if the item is private."""
        if not self.private:
            return True
        shared = self.source is not None and self.source.private_items == Source.PrivateItems.REVIEWERS
        return shared and may_see_private(user)

    @property
    def proposed(self) -> str:
        """What is proposed, named as ``target`` is."""
        path, is_proposal, _ = urlsplit(self.api_url).path.partition("/+merge/")
        name = "/".join(path.split("/")[2:])
        if not is_proposal or not name:
            return self.test_url
        return f"{name}:{self.source_branch}" if self.source_branch else f"lp:{name}"

    @property
    def build_url(self) -> str:
        """What a build gets as its ``url``: what is proposed, or its page (reads the source)."""
        is_page = self.kind == self.Kind.UPDATE and self.source is not None and self.source.builds_get_proposal_page
        return self.url if is_page else self.test_url or self.url

    @property
    def is_in_queue(self) -> bool:
        """Not of a source that is switched off (reads the source)."""
        return self.source is None or self.source.active

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def why_untracked(self) -> str:
        """Why it is not in the queue, open or not, in a sentence; empty when it is (reads the source)."""
        if self.source and not self.source.active:
            return f"The source {self.source} is switched off."
        if self.private and (self.source is None or self.source.private_items == Source.PrivateItems.NO):
            return "The item is private on Launchpad."
        return ""


class AllowedRevision(models.Model):
    """A reviewer allowed the tests of one revision of an item whose submitter is not trusted."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="allowed_revisions", db_index=False)
    revision = models.CharField(max_length=255, blank=True)
    allowed_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    allowed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-allowed_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["review", "revision"], name="one_permission_per_revision")]

    def __str__(self) -> str:
        return f"{self.revision} of {self.review_id}"


class Comment(models.Model):
    """One Launchpad comment on a review, and what it counts for."""

    class Sentiment(models.TextChoices):
        POSITIVE = "positive", "+1"
        NEGATIVE = "negative", "−1"
        NEUTRAL = "neutral", "0"

    # Without indexes of their own: the constraint and comment_author begin with them.
    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="comments", db_index=False)
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="comments", db_index=False)
    api_url = models.CharField(max_length=1000)
    number = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="Launchpad's number of it: unique within its proposal or bug."
    )
    position = models.PositiveIntegerField(
        default=0, editable=False, help_text="Its place among the item's comments, in Launchpad's order."
    )
    content = models.TextField(blank=True)
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it was last edited there.")
    vote = models.CharField(max_length=64, blank=True, help_text="The formal vote, as Launchpad spells it.")
    vote_tag = models.CharField(max_length=255, blank=True)
    sentiment = models.CharField(max_length=8, choices=Sentiment.choices, default=Sentiment.NEUTRAL)
    is_description = models.BooleanField(default=False)
    is_automated = models.BooleanField(default=False, help_text="Posted by this queue itself; never a vote.")

    objects: ClassVar = CommentQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            # A bug with tasks in two places is two reviews that share their messages: unique within a review.
            models.UniqueConstraint(fields=["review", "number"], name="one_comment_per_launchpad_comment"),
        ]
        indexes = [models.Index(fields=["author", "-created_at"], name="comment_author")]  # person page: reviewed

    def __str__(self) -> str:
        return f"{self.author} on {self.review_id}"

    @property
    def is_by_person(self) -> bool:
        """Neither by a bot nor by this queue itself."""
        return not self.is_automated and not self.author.counts_as_bot


class ReviewRequest(models.Model):
    """A person or a team was asked on Launchpad to review a proposal."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="requests", db_index=False)
    reviewer = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="asked", db_index=False)
    registrant = models.ForeignKey(
        Person,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who asked; empty: hidden.",
    )
    review_type = models.CharField(max_length=255, blank=True, help_text="What for, as who asked put it.")
    requested_at = models.DateTimeField()
    is_pending = models.BooleanField(default=True, help_text="They have not voted yet.")

    class Meta:
        ordering = ["requested_at", "id"]
        constraints = [
            # Launchpad keeps one vote a person and proposal.
            models.UniqueConstraint(fields=["review", "reviewer"], name="one_request_per_reviewer"),
        ]
        indexes = [
            models.Index(fields=["reviewer", "review"], name="request_pending", condition=Q(is_pending=True)),
        ]

    def __str__(self) -> str:
        return f"{self.reviewer_id} asked for {self.review_id}"


class Diff(models.Model):
    """The text of a proposal's diff, fetched when somebody first opened it; the newest few of each review are kept."""

    class State(models.TextChoices):
        WAITING = "waiting", "being fetched"
        READY = "ready", "ready"
        FAILED = "failed", "could not be fetched"

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="diffs", db_index=False)
    revision = models.CharField(max_length=255, blank=True, help_text="The tip of what is proposed in it.")
    url = models.CharField(max_length=1000, blank=True, help_text="Its address in Launchpad's API.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    problem = models.TextField(blank=True, help_text="Why it could not be fetched.")
    text = models.TextField(blank=True)
    length = models.PositiveBigIntegerField(default=0, help_text="Bytes that Launchpad sent, or said it has.")
    is_cut = models.BooleanField(default=False, help_text="The text is only its beginning.")
    files = models.JSONField(
        default=list, blank=True, help_text="Of each file: its path, a digest of its part, lines added and removed."
    )
    asked_at = models.DateTimeField(default=timezone.now, help_text="When it was last asked for.")
    fetched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-asked_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["review", "revision", "url"], name="one_diff_per_revision")]

    def __str__(self) -> str:
        return f"diff of {self.review_id} at {self.revision}"

    @property
    def number(self) -> int | None:
        """Launchpad's number of it, which inline comments name."""
        number = self.url.rpartition("/+preview-diff/")[2]
        return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None


class InlineComment(models.Model):
    """A comment on one line of a diff on Launchpad."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="inline_comments", db_index=False)
    diff_number = models.BigIntegerField(help_text="Launchpad's number of the diff that it is on.")
    line = models.PositiveIntegerField(help_text="The line of the diff's text, from 1.")
    author = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["diff_number", "line", "at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "diff_number", "line", "author", "at"], name="one_inline_comment_per_moment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.author_id} on line {self.line} of {self.diff_number}"


class Visit(models.Model):
    """When somebody who is logged in first opened a review after its last change, and the diff that they saw last."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="visits", db_index=False)
    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="visits")
    at = models.DateTimeField(default=timezone.now)
    diff = models.ForeignKey(Diff, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    diff_at = models.DateTimeField(null=True, blank=True, help_text="When they first opened that diff.")
    previous_diff = models.ForeignKey(
        Diff, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="The diff that they had seen before it.",
    )  # fmt: skip

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["user", "review"], name="one_visit_per_person")]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.review_id}"


class Event(models.Model):
    """One line of a review's history: what, from, to, who, when. Written once, never edited."""

    class Kind(models.TextChoices):
        IMPORTED = "imported", "imported"
        STATE = "state", "state"
        LOCK = "lock", "lock"
        REVISION = "revision", "revision"
        RUN = "run", "test run"
        POSTED = "posted", "posted to Launchpad"
        STAFF = "staff", "staff"
        RECHECK = "recheck", "recheck"
        START = "start", "start of tests"

    review = models.ForeignKey(
        Review, on_delete=models.CASCADE, related_name="events", db_index=False
    )  # event_timeline begins with it
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    old = models.CharField(max_length=255, blank=True)
    new = models.CharField(max_length=255, blank=True)
    actor = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    note = models.TextField(blank=True)
    # The run that the line is about, if it is about one; by name, since its table is of the room above.
    run = models.ForeignKey("testing.TestRun", null=True, blank=True, on_delete=models.SET_NULL, related_name="events")

    class Meta:
        ordering = ["at", "id"]
        indexes = [
            models.Index(fields=["review", "at"], name="event_timeline"),
            models.Index(fields=["kind", "at"], name="event_kind"),  # stats; pruning
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.old} → {self.new}"
