"""Reports of imports, webhook deliveries, reviewer teams, repositories fetched once, verdicts to post."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from reviews.models import Review, Source, Verdict


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
