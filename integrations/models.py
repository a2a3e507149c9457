"""Reports of imports, webhook deliveries, reviewer teams, repositories fetched once, verdicts and status reports;
people's connections with Launchpad, and what they post from here in their own name."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cached_property
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.utils import timezone

from accounts.models import User
from core.secret_field import SecretField
from reviews.models import Review, Source, Verdict
from testing.models import OUTCOMES, Status, TestRun

MAX_WAIT_FOR_TESTS = timedelta(minutes=10)  # for which a failure waits for the single tests that explain it
MAX_LOOKS_OF_PASS = 2  # for single tests, for which a pass waits: many jobs keep none, and it needs no explanation
_ITEM = re.compile(r"/\+(merge|bug)/([0-9]{1,18})")  # in the address of one
HIDDEN_PROBLEM = "About an item that has become private on Launchpad."


def tests_to_come() -> Q:
    """Runs whose single tests are still being read, so that what is told of them waits."""
    explained = ~Q(status=Status.PASS) | Q(results_tries__lt=MAX_LOOKS_OF_PASS)
    return explained & Q(results_due_at__isnull=False, finished_at__gte=timezone.now() - MAX_WAIT_FOR_TESTS)


class ImportReport(models.Model):
    """What one import of one source did; staff read it on the health page."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="imports")
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    seen = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)  # items, or parts of the source, that could not be read or written
    private = models.PositiveIntegerField(default=0)  # private items that the source does not take
    problems = models.JSONField(default=list, blank=True)  # sentences, at most 100
    ok = models.BooleanField(default=False)

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["source", "-started_at"], name="import_latest")]

    def __str__(self) -> str:
        return f"{self.source} at {self.started_at:%Y-%m-%d %H:%M}"

    @cached_property
    def shown_problems(self) -> list[str]:
        """``problems``, without the names of items that have become private and that nobody may know of any more.

        One query, if any names an item.
        """
        named = [{(kind, int(number)) for kind, number in _ITEM.findall(words)} for words in self.problems]
        numbers = {number for items in named for _, number in items}
        if not numbers:
            return list(self.problems)
        hidden = Review.objects.filter(number__in=numbers, private=True).exclude(
            source__private_items=Source.PrivateItems.REVIEWERS
        )
        words_for = {Review.Kind.UPDATE: "merge", Review.Kind.NEW: "bug"}
        gone = {(words_for[Review.Kind(kind)], number) for kind, number in hidden.values_list("kind", "number")}
        return [HIDDEN_PROBLEM if items & gone else words for words, items in zip(self.problems, named, strict=True)]

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it goes on."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


class Repository(models.Model):
    """A Git repository on Launchpad, fetched once: where its code is read over https."""

    url = models.CharField(max_length=1000, unique=True, help_text="Its address in Launchpad's API.")
    https_url = models.CharField(max_length=1000, blank=True, help_text="Empty when Launchpad names none.")
    fetched_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "repositories"

    def __str__(self) -> str:
        return self.https_url or self.url


class TeamSync(models.Model):
    """When the participants of a reviewer team were last read, and what was wrong with the last try."""

    team = models.CharField(max_length=255, unique=True, help_text="Its name on Launchpad.")
    synced_at = models.DateTimeField(null=True, blank=True, help_text="When its participants were last read.")
    tried_at = models.DateTimeField(null=True, blank=True, help_text="When Launchpad was last asked for them.")
    problem = models.TextField(blank=True, help_text="Why the last try failed; empty when it did not.")
    failing_since = models.DateTimeField(null=True, blank=True, help_text="When it could first not be read.")

    class Meta:
        ordering = ["team"]

    def __str__(self) -> str:
        return self.team


class WebhookDelivery(models.Model):
    """One webhook delivery that was let in: kept so that a repeated one is known, and for staff to read."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="deliveries")
    number = models.CharField(
        max_length=64, null=True, unique=True, help_text="X-Launchpad-Delivery: unique on all of Launchpad."
    )
    event = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    note = models.CharField(max_length=255, blank=True, help_text="What came of it.")

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-received_at"]
        indexes = [models.Index(fields=["-received_at"], name="delivery_newest")]  # admin list, pruning

    def __str__(self) -> str:
        return f"{self.event} {self.number or ''}"


class VerdictPostQuerySet(models.QuerySet["VerdictPost"]):
    """``VerdictPost.objects``."""

    def unposted(self) -> VerdictPostQuerySet:
        """Those that are not on Launchpad, as far as is known."""
        return self.exclude(state=VerdictPost.State.POSTED)

    def wanted(self) -> VerdictPostQuerySet:
        """Those that are to be posted: verdicts that still hold, of current revisions, where the source says so.

        Not of an item that is hidden here because it is private, nor of one that Launchpad does not show at the moment:
        these wait until that has changed.
        """
        hidden = Q(review__private=True, review__source__private_items=Source.PrivateItems.NO)
        return self.unposted().filter(
            posting_sources("review__source"),
            ~hidden,
            review__missing_since=None,
            revision=F("review__revision"),
            verdict=F("review__verdict"),
        )

    def due(self) -> VerdictPostQuerySet:
        """Those of ``wanted`` that no process is posting, and whose next try has come."""
        now = timezone.now()
        waiting = Q(state=VerdictPost.State.WAITING, due_at__lte=now)
        abandoned = Q(state=VerdictPost.State.CLAIMED, claimed_until__lte=now)  # its process died
        return self.wanted().filter(waiting | abandoned)

    def perhaps_on_launchpad(self) -> VerdictPostQuerySet:
        """Those that were posted, and those of which an earlier try may have been."""
        return self.filter(Q(state=VerdictPost.State.POSTED) | Q(tries__gt=0))


class VerdictPost(models.Model):
    """One verdict on a revision that goes to Launchpad as a comment, and how far that has come."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"  # until due_at
        CLAIMED = "claimed", "claimed"  # a process is posting it; after claimed_until another one may
        POSTED = "posted", "posted"
        REFUSED = "refused", "refused"  # Launchpad said no so often that only a person can have it tried again

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="verdict_posts", db_index=False)
    revision = models.CharField(max_length=255, blank=True)
    number = models.PositiveIntegerField(default=1, help_text="Which verdict on this revision it is, from 1.")
    verdict = models.CharField(max_length=8, choices=Verdict.choices)
    vote = models.CharField(max_length=32, blank=True, help_text="As Launchpad spells it; empty: a comment only.")
    text = models.TextField(blank=True, help_text="The comment, as it was posted or last tried.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now, help_text="waiting: when it is tried next.")
    claimed_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, help_text="Why the last try did not post it.")
    posted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = VerdictPostQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["review", "revision", "number"], name="one_post_per_verdict"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "claimed", "posted", "refused"]), name="verdict_post_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="claimed", claimed_until__isnull=False)
                | (~Q(state="claimed") & Q(claimed_until__isnull=True)),
                name="claimed_verdict_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(state="posted", posted_at__isnull=False) | (~Q(state="posted") & Q(posted_at__isnull=True)),
                name="posted_verdict_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="verdict_unposted", condition=~Q(state="posted")),
            models.Index(fields=["-created_at", "-id"], name="verdict_newest"),  # admin list
        ]

    def __str__(self) -> str:
        return f"{self.verdict} of review {self.review_id}: {self.state}"


class StatusReportQuerySet(models.QuerySet["StatusReport"]):
    """``StatusReport.objects``."""

    def of_runs(self) -> StatusReportQuerySet:
        """Reports on single runs; without those of which nobody needs to hear: cancelled before they were made."""
        return self.filter(number=0).exclude(remote_id=None, run__status=Status.CANCELED)

    def of_verdicts(self) -> StatusReportQuerySet:
        """Reports on verdicts. Asked by number: SQLite would go through all those without a run."""
        return self.filter(number__gt=0)

    def out_of_step(self) -> StatusReportQuerySet:
        """Those of which Launchpad does not have what is known here, as ``wanted``, where the source reports.

        Verdicts are reported after all the runs of their revision: Launchpad reads the last report on a commit.
        """
        same_revision = StatusReport.objects.filter(review=OuterRef("review"), revision=OuterRef("revision"))
        runs = TestRun.objects.filter(review=OuterRef("review"), revision=OuterRef("revision"), counts=True)
        newer = same_revision.of_verdicts().filter(number__gt=OuterRef("number"))
        is_over = ~Q(revision=F("review__revision")) | Q(is_superseded=True)
        of_verdict = Case(
            When(is_over & Q(result__in=StatusReport.FINAL), then=F("result")),
            When(is_over, then=Value(StatusReport.Result.CANCELLED)),
            When(review__verdict=Verdict.PASS, then=Value(StatusReport.Result.SUCCEEDED)),
            When(review__verdict__in=[Verdict.FAIL, Verdict.ERROR], then=Value(StatusReport.Result.FAILED)),
            When(
                Exists(runs.unfinished()) & Exists(runs.filter(status__in=[Status.RUNNING, *OUTCOMES])),
                then=Value(StatusReport.Result.RUNNING),
            ),
            When(Exists(runs.unfinished()), then=Value(StatusReport.Result.WAITING)),
            default=Value(StatusReport.Result.CANCELLED),
            output_field=models.CharField(),
        )
        of_run = [When(run__status=status, then=Value(result)) for status, result in RESULTS.items()]
        # The name is the attribute that the model declares.
        reports = self.annotate(is_superseded=Exists(newer)).annotate(**{"wanted": Case(*of_run, default=of_verdict)})
        made = Q(remote_id__isnull=False)
        # One that was perhaps made is looked for, whatever has become of its run.
        can_be_made = Q(revision=F("review__revision")) & (
            Q(run__isnull=False) & ~Q(run__status=Status.CANCELED)
            | Q(run=None, is_superseded=False)
            & Exists(same_revision.of_runs().filter(remote_id__isnull=False))
            & ~Exists(same_revision.of_runs().filter(remote_id=None))
        )
        collecting = Exists(TestRun.objects.filter(tests_to_come(), pk=OuterRef("run_id")))
        return (
            reports.filter(reported_reviews("review__"))
            .filter((made & ~Q(result=F("wanted"))) | (~made & (can_be_made | Q(tries__gt=0))))
            .exclude(collecting & made)
        )

    def due(self) -> StatusReportQuerySet:
        """Those of ``out_of_step`` whose next try has come, on repositories that have not refused lately."""
        now = timezone.now()
        refused = ReportRefusal.objects.in_force().values("repository")
        free = Q(claimed_until=None) | Q(claimed_until__lte=now)  # its process died
        return self.out_of_step().filter(free, due_at__lte=now).exclude(repository__in=refused)


class StatusReport(models.Model):
    """A revision status report on Launchpad: what became of one run, or the verdict, on a proposed commit.

    ``result``, ``url`` and ``summary`` are what Launchpad has, as far as is known.
    """

    class Result(models.TextChoices):
        """As Launchpad spells them."""

        WAITING = "Waiting", "waiting"
        RUNNING = "Running", "running"
        SUCCEEDED = "Succeeded", "succeeded"
        FAILED = "Failed", "failed"
        CANCELLED = "Cancelled", "cancelled"

    FINAL: ClassVar[tuple[str, ...]] = (Result.SUCCEEDED, Result.FAILED, Result.CANCELLED)

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="status_reports", db_index=False)
    revision = models.CharField(max_length=255)
    repository = models.CharField(max_length=1000, help_text="The repository that it is on, by its address in the API.")
    run = models.OneToOneField(
        TestRun, null=True, blank=True, on_delete=models.CASCADE, related_name="status_report",
        help_text="Empty: it is on the verdict.",
    )  # fmt: skip
    number = models.PositiveIntegerField(default=0, help_text="From 1 for reports on the verdict; 0: on a run.")
    remote_id = models.BigIntegerField(null=True, blank=True, help_text="Launchpad's number; empty: not made yet.")
    place = models.CharField(max_length=100, blank=True, help_text="Where it is on Launchpad, below its repository.")
    result = models.CharField(max_length=16, choices=Result.choices, blank=True)
    url = models.CharField(max_length=1000, blank=True)
    summary = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    written_at = models.DateTimeField(null=True, blank=True, help_text="When Launchpad last took something of it.")
    due_at = models.DateTimeField(default=timezone.now, help_text="When it is tried next, if there is news.")
    claimed_until = models.DateTimeField(null=True, blank=True, help_text="A process writes it; then another one may.")
    tries = models.PositiveIntegerField(default=0, help_text="Since Launchpad last took something of it.")
    error = models.TextField(blank=True, help_text="Why the last try failed.")

    objects: ClassVar = StatusReportQuerySet.as_manager()

    wanted: str  # the result that it should have; set on rows that ``out_of_step`` reads

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "revision", "number"], condition=Q(run=None), name="one_report_per_verdict"
            ),
            models.CheckConstraint(
                condition=Q(remote_id=None, place="", result="") | Q(remote_id__isnull=False) & ~Q(place=""),
                name="made_report_has_a_place",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["review", "revision"], name="report_of_revision"),
            models.Index(fields=["-created_at", "-id"], name="report_newest"),  # admin list
        ]

    def __str__(self) -> str:
        what = f"run {self.run_id}" if self.run_id else "the verdict"
        return f"{what} on {self.revision[:12]}: {self.result or 'not made'}"


# What a run's status is called in its report.
RESULTS: dict[str, str] = {
    Status.RETRY: StatusReport.Result.WAITING,
    Status.PENDING: StatusReport.Result.WAITING,
    Status.RUNNING: StatusReport.Result.RUNNING,
    Status.PASS: StatusReport.Result.SUCCEEDED,
    Status.FAIL: StatusReport.Result.FAILED,
    Status.ERROR: StatusReport.Result.FAILED,
    Status.CANCELED: StatusReport.Result.CANCELLED,
}


class ReportRefusalQuerySet(models.QuerySet["ReportRefusal"]):
    """``ReportRefusal.objects``."""

    def in_force(self) -> ReportRefusalQuerySet:
        """Those of which the day is not over."""
        return self.filter(until__gt=timezone.now())


class ReportRefusal(models.Model):
    """A repository on which Launchpad lets us report nothing; it is left alone for a day."""

    repository = models.CharField(max_length=1000, unique=True, help_text="By its address in Launchpad's API.")
    until = models.DateTimeField(help_text="When it is tried again.")
    words = models.TextField(help_text="What Launchpad answered.")

    objects: ClassVar = ReportRefusalQuerySet.as_manager()

    class Meta:
        ordering = ["repository"]

    def __str__(self) -> str:
        return self.repository


def reported_reviews(path: str = "") -> Q:
    """A condition on the review that ``path`` leads to: it is a Git proposal of a source that reports the status of
    revisions, neither hidden here nor out of reach on Launchpad."""
    return Q(
        **{
            f"{path}source__active": True, f"{path}source__status_reports": True, f"{path}missing_since": None,
            f"{path}kind": Review.Kind.UPDATE,
        }
    ) & ~(
        Q(**{f"{path}branch": ""})
        | Q(**{f"{path}revision": ""})
        | Q(**{f"{path}private": True, f"{path}source__private_items": Source.PrivateItems.NO})
    )  # fmt: skip


def posting_sources(path: str) -> Q:
    """A condition on the source that ``path`` leads to: it is on, and its verdicts are posted.

    docs/specification.md, section 5.
    """
    switches = [Source.Comments.ON]
    if settings.TESTING_COMMENTS:
        switches.append(Source.Comments.DEFAULT)
    return Q(**{f"{path}__active": True, f"{path}__comments__in": switches})


def posts_outcomes(source: Source | None) -> bool:
    """The same of one source; outcomes of an item without a source are not posted."""
    return source is not None and source.active and allows_posts(source)


def allows_posts(source: Source) -> bool:
    """Whether the source, or TESTING_COMMENTS where it leaves that open, says to post; whether or not it is active."""
    by_default = source.comments == Source.Comments.DEFAULT and settings.TESTING_COMMENTS
    return bool(by_default or source.comments == Source.Comments.ON)


class LaunchpadConnection(models.Model):
    """Somebody's own access to Launchpad: with it, and for nothing else, the queue posts in their name.

    It never reads for the queue. Deleted when the person disconnects; kept, and said, when Launchpad takes it no more.
    """

    class Access(models.TextChoices):
        """As Launchpad spells them."""

        PUBLIC = "WRITE_PUBLIC", "change what is public"
        PRIVATE = "WRITE_PRIVATE", "change anything, private items too"

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="launchpad_connection")
    name = models.CharField(max_length=255, help_text="Who they are on Launchpad.")
    access = models.CharField(max_length=16, choices=Access.choices, help_text="What Launchpad was asked to allow.")
    token = SecretField(max_length=255)
    secret = SecretField(max_length=255)
    connected_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True, blank=True, help_text="When Launchpad was found not to take it.")

    class Meta:
        ordering = ["user"]

    def __str__(self) -> str:
        return f"{self.name} on Launchpad"

    @property
    def is_usable(self) -> bool:
        """Whether something can be posted with it, as far as is known."""
        return self.revoked_at is None and bool(self.token) and bool(self.secret)


class OwnPostQuerySet(models.QuerySet["OwnPost"]):
    """``OwnPost.objects``."""

    def by(self, user: User, review: Review) -> OwnPostQuerySet:
        """What one person has written on a review."""
        return self.filter(user=user, review=review)

    def sent(self) -> OwnPostQuerySet:
        """Those that were sent off, whatever became of them."""
        return self.exclude(state=OwnPost.State.DRAFT)

    def drafts(self) -> OwnPostQuerySet:
        """Those that are still being written."""
        return self.filter(state=OwnPost.State.DRAFT)

    def on_their_way(self) -> OwnPostQuerySet:
        """Those that were sent off and of which the outcome is not known."""
        return self.filter(state__in=OwnPost.ON_THE_WAY)

    def due(self) -> OwnPostQuerySet:
        """Those on their way that no process is posting, and whose next try has come."""
        now = timezone.now()
        waiting = Q(state__in=[OwnPost.State.WAITING, OwnPost.State.MAYBE], due_at__lte=now)
        abandoned = Q(state=OwnPost.State.CLAIMED, claimed_until__lte=now)  # its process died
        return self.filter(waiting | abandoned)


class OwnPost(models.Model):
    """What a person says on a review in their own name, from the first letter until it is on Launchpad.

    A comment, a vote, comments on lines of a diff, a new status; each may be missing, but not all of them.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        WAITING = "waiting", "to be posted"  # until due_at
        CLAIMED = "claimed", "being posted"  # by a process; after claimed_until another one may
        MAYBE = "maybe", "perhaps posted"  # no answer came: it is looked for at due_at, before it is sent again
        POSTED = "posted", "posted"
        REFUSED = "refused", "not posted"

    class Vote(models.TextChoices):
        """As Launchpad spells them."""

        NONE = "", "Comment only"
        APPROVE = "Approve", "Approve"
        NEEDS_FIXING = "Needs Fixing", "Needs Fixing"
        NEEDS_INFORMATION = "Needs Information", "Needs Information"
        ABSTAIN = "Abstain", "Abstain"
        DISAPPROVE = "Disapprove", "Disapprove"

    ON_THE_WAY: ClassVar[tuple[str, ...]] = (State.WAITING, State.CLAIMED, State.MAYBE)

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="own_posts", db_index=False)
    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="own_posts")
    state = models.CharField(max_length=16, choices=State.choices, default=State.DRAFT)
    text = models.TextField(blank=True)
    other_text = models.TextField(blank=True, help_text="draft: what the same person wrote in another tab.")
    vote = models.CharField(max_length=32, choices=Vote.choices, blank=True)
    status = models.CharField(max_length=64, blank=True, help_text="The status to set; empty: it stays.")
    inline_comments = models.JSONField(
        default=list, blank=True, help_text="Comments on lines: diff_number, line of the diff, text and where of each."
    )
    revision = models.CharField(max_length=255, blank=True, help_text="What the person looked at.")
    launchpad_status = models.CharField(max_length=64, blank=True, help_text="The status that the person saw.")
    review_type = models.CharField(max_length=255, blank=True, help_text="As what they were asked to review it.")
    version = models.PositiveIntegerField(default=0, help_text="draft: grows with each change of it.")
    form_key = models.CharField(max_length=64, null=True, help_text="The form that sent it; each sends once.")
    created_at = models.DateTimeField(default=timezone.now)
    saved_at = models.DateTimeField(default=timezone.now, help_text="When the person last wrote on it.")
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When the person sent it off.")
    known_comment = models.BigIntegerField(default=0, help_text="The newest comment that was known then.")
    due_at = models.DateTimeField(default=timezone.now, help_text="to be posted, perhaps posted: when it is tried.")
    claimed_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    tried_at = models.DateTimeField(null=True, blank=True, help_text="When it was first tried.")
    comment_number = models.BigIntegerField(null=True, blank=True, help_text="The number of the comment it became.")
    commented_at = models.DateTimeField(null=True, blank=True, help_text="When its comment was on Launchpad.")
    status_set_at = models.DateTimeField(null=True, blank=True, help_text="When its status was set.")
    posted_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="What went wrong, in words for its author.")

    objects: ClassVar = OwnPostQuerySet.as_manager()

    class Meta:
        ordering = ["-saved_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "review"], condition=Q(state="draft"), name="one_draft_per_person_and_review"
            ),
            models.UniqueConstraint(fields=["user", "form_key"], name="one_post_per_form"),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "waiting", "claimed", "maybe", "posted", "refused"]),
                name="own_post_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="claimed", claimed_until__isnull=False)
                | (~Q(state="claimed") & Q(claimed_until__isnull=True)),
                name="claimed_own_post_has_an_end",
            ),
            models.CheckConstraint(
                condition=~Q(state="posted") | Q(posted_at__isnull=False), name="posted_own_post_has_a_time"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="own_post_unposted", condition=Q(state__in=["waiting", "claimed", "maybe"])
            ),
            models.Index(fields=["user", "review"], name="own_post_of_review"),  # the review's page
            models.Index(fields=["-saved_at", "-id"], name="own_post_newest"),  # admin list
        ]

    def __str__(self) -> str:
        return f"{self.user} on review {self.review_id}: {self.get_state_display()}"

    @property
    def has_comment(self) -> bool:
        """Whether there is something to say, besides a status to set."""
        return bool(self.text.strip() or self.vote or self.inline_comments)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to post."""
        return not self.has_comment and not self.status
