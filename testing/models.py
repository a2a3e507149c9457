"""Substrates, test runs, attempts, single test results."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import Person
from core.secret_field import SecretField
from reviews.models import Review, Source
from testing.choices import EXCUSING, ON_ENGINE, OUTCOMES, UNFINISHED, AttemptOutcome, Standing, Status, TestOutcome
from testing.managers import AttemptQuerySet, TestResultQuerySet, TestRunQuerySet

__all__ = [
    "EXCUSING", "ON_ENGINE", "OUTCOMES", "UNFINISHED", "Attempt", "AttemptOutcome", "Baseline", "Job", "PlanRow",
    "Recheck", "Server", "Standing", "Status", "Substrate", "TestOutcome", "TestResult", "TestRun",
]  # fmt: skip


class Substrate(models.Model):
    """Where a test run executes: a cloud or machine type."""

    name = models.CharField(
        max_length=64,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "Letters, digits, . _ - only.")],
    )
    active = models.BooleanField(default=True, help_text="Can be tested on.")
    default = models.BooleanField(default=False, help_text="New items are tested on it by themselves.")
    order = models.PositiveIntegerField(default=0, help_text="Smaller comes first.")
    # That it fails for most items now, in words, and since when that is seen; testing/outages.py keeps both.
    outage = models.CharField(max_length=255, blank=True, editable=False)
    outage_since = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name


class Server(models.Model):
    """A CI server that staff entered, besides the one that the environment names."""

    name = models.SlugField(max_length=100, unique=True)
    url = models.CharField("address", max_length=500, help_text="Where it is, as https://ci.example.org/jenkins/.")
    user = models.CharField(max_length=255, blank=True, help_text="Whose API token it is; empty: jobs by their token.")
    api_token = SecretField("API token", max_length=1000)
    active = models.BooleanField(default=True, help_text="Off: nothing is sent to it; runs of its jobs wait.")
    # Why it is not asked at the moment, and until when; a server that is down holds up no other.
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    problem = models.TextField(blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Job(models.Model):
    """A parameterised job on a server."""

    name = models.SlugField(max_length=100, unique=True, help_text="How the test plan and pages call it.")
    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="jobs")
    path = models.CharField(max_length=500, help_text="Its place on the server, as job/charms or job/team/job/charms.")
    token = SecretField("job token", max_length=1000, help_text="“Trigger builds remotely” of the job.")
    parameters = models.JSONField(
        default=dict, blank=True, help_text='Parameters to send besides our own, as {"CLOUD": "{substrate}"}.'
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        """Its address (reads the server)."""
        return f"{self.server.url.rstrip('/')}/{self.path.strip('/')}"


class PlanRow(models.Model):
    """One row of the test plan: which job tests items of a source on a substrate, and how.

    The most specific row wins: source and substrate, then source, then substrate, then the row for everything.
    """

    source = models.ForeignKey(
        Source,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="plan_rows",
        help_text="Empty: every source.",
    )
    substrate = models.ForeignKey(
        Substrate, null=True, blank=True, on_delete=models.PROTECT, related_name="plan_rows",
        help_text="Empty: every substrate.",
    )  # fmt: skip
    job = models.ForeignKey(
        Job, null=True, blank=True, on_delete=models.PROTECT, related_name="plan_rows",
        help_text="Empty: the job that the environment names.",
    )  # fmt: skip
    default = models.BooleanField("starts by itself", default=True)
    counts = models.BooleanField("counts for the verdict", default=True)
    timeout = models.PositiveIntegerField(null=True, blank=True, help_text="Seconds; empty: TESTING_TIMEOUT.")
    attempts = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: TESTING_MAX_ATTEMPTS.")

    class Meta:
        verbose_name = "test plan row"
        verbose_name_plural = "test plan"
        ordering = ["source", "substrate"]
        constraints = [
            # SQLite takes two NULLs as different: 0, which is no row's number, stands for "every".
            models.UniqueConstraint(
                Coalesce("source", 0), Coalesce("substrate", 0), name="one_plan_row_per_source_and_substrate",
                violation_error_message="There is a row for this source and substrate already.",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.source or 'every source'} on {self.substrate or 'every substrate'}"


class Baseline(models.Model):
    """A target that open items of a source merge into, and that is tested by itself: what fails there is not theirs."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="baselines")
    url = models.CharField(max_length=1000, help_text="The target, as builds are told it.")
    branch = models.CharField(max_length=500, blank=True, help_text="Its branch, if it is Git.")
    name = models.CharField(max_length=1000, help_text="The target as pages show it.")

    class Meta:
        verbose_name = "tested target"
        ordering = ["name", "source"]
        constraints = [
            models.UniqueConstraint(fields=["source", "url", "branch"], name="one_baseline_per_source_and_target")
        ]

    def __str__(self) -> str:
        return self.name


class TestRun(models.Model):
    """One request to test a review, or a target by itself, on a substrate, through however many attempts it takes."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    review = models.ForeignKey(Review, null=True, blank=True, on_delete=models.CASCADE, related_name="test_runs")
    baseline = models.ForeignKey(
        Baseline, null=True, blank=True, editable=False, on_delete=models.CASCADE, related_name="runs",
        help_text="The target that it tests by itself; empty: it tests a review.",
    )  # fmt: skip
    substrate = models.ForeignKey(Substrate, on_delete=models.PROTECT, related_name="test_runs")
    revision = models.CharField(max_length=255, blank=True)
    # The plan as it was when the run was made: later edits of the plan move nothing that is under way.
    job = models.ForeignKey(
        Job, null=True, blank=True, on_delete=models.PROTECT, related_name="test_runs",
        help_text="Empty: the job that the environment names.",
    )  # fmt: skip
    counts = models.BooleanField("counts for the verdict", default=True)
    timeout = models.PositiveIntegerField(null=True, blank=True, help_text="Seconds; empty: TESTING_TIMEOUT.")
    max_attempts = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: TESTING_MAX_ATTEMPTS.")
    target_url = models.CharField(max_length=1000, blank=True, help_text="What it was to be merged into.")
    target_branch = models.CharField(max_length=500, blank=True)
    target_revision = models.CharField(max_length=255, blank=True, help_text="Revision that it was merged into.")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.RETRY)
    attempt = models.PositiveIntegerField(default=1, help_text="Number of the build request that counts.")
    refusals = models.PositiveIntegerField(default=0, help_text="How often this attempt was not accepted, in a row.")
    requested_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    build_url = models.CharField(max_length=1000, blank=True)
    result_url = models.CharField(max_length=1000, blank=True)
    error = models.TextField(blank=True, help_text="Why it waits, or why it was given up.")
    created_at = models.DateTimeField(default=timezone.now)
    next_attempt_at = models.DateTimeField(
        null=True, blank=True, default=timezone.now,
        help_text="retry: when it is sent. pending, running: when its outcome is looked for unless it reports first.",
    )  # fmt: skip
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When the current attempt was accepted.")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # When its single tests are to be collected; null when they were, or when there are none.
    results_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    results_tries = models.PositiveIntegerField(default=0, editable=False)
    standing_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the standing of one of its failing tests last changed."
    )
    compared_with = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+",
        help_text="The item's last revision on this substrate, by its newest run that left single tests.",
    )  # fmt: skip
    posted_at = models.DateTimeField(null=True, blank=True, help_text="When its outcome was posted.")

    objects: ClassVar = TestRunQuerySet.as_manager()

    # Set on rows that ``with_test_counts`` reads.
    test_count: int
    failed_count: int
    skipped_count: int

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["review", "revision", "substrate"],
                condition=Q(status__in=UNFINISHED),
                name="one_unfinished_run",
                violation_error_message="This item is already being tested on this substrate.",
            ),
            models.UniqueConstraint(
                fields=["baseline", "substrate"], condition=Q(status__in=UNFINISHED), name="one_unfinished_baseline_run"
            ),
            models.CheckConstraint(
                condition=Q(review__isnull=False, baseline__isnull=True)
                | Q(review__isnull=True, baseline__isnull=False),
                name="run_of_review_or_target",
            ),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="run_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=UNFINISHED, finished_at__isnull=True)
                | (~Q(status__in=UNFINISHED) & Q(finished_at__isnull=False)),
                name="only_finished_run_has_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=UNFINISHED) | Q(next_attempt_at__isnull=False),
                name="unfinished_run_has_a_next_time",
            ),
            models.CheckConstraint(
                condition=Q(results_due_at__isnull=True) | Q(status__in=[Status.PASS, Status.FAIL]),
                name="results_of_tested_runs_only",
            ),
        ]
        indexes = [
            # The sweep: what is due, however many wait.
            models.Index(fields=["next_attempt_at"], name="run_due", condition=Q(status__in=UNFINISHED)),
            # Posting: outcomes that were not posted yet.
            models.Index(
                fields=["finished_at"], name="run_unposted",
                condition=Q(posted_at__isnull=True, status__in=OUTCOMES),
            ),
            # The sweep: outcomes whose single tests were not collected yet.
            models.Index(
                fields=["results_due_at"], name="run_results_due", condition=Q(results_due_at__isnull=False)
            ),
            models.Index(fields=["status", "-created_at"], name="run_status"),  # admin, health
            models.Index(fields=["-created_at", "-id"], name="run_newest"),  # admin list, API
            models.Index(fields=["finished_at"], name="run_finished"),  # outages, stats
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"run {self.pk} on {self.substrate_id}: {self.status}"

    @property
    def is_finished(self) -> bool:
        return self.status not in UNFINISHED

    @property
    def timeout_seconds(self) -> int:
        """How long its build may take, and how long it may wait in the engine's queue, until it counts as lost."""
        return self.timeout or settings.TESTING_TIMEOUT

    @property
    def most_attempts(self) -> int:
        """How many build requests it is given."""
        return self.max_attempts or settings.TESTING_MAX_ATTEMPTS

    @property
    def item(self) -> Review:
        """The review that it tests. Raises ValueError for a run that tests a target by itself."""
        if self.review is None:
            raise ValueError(f"Run {self.pk} tests no item, but a target.")
        return self.review

    @property
    def outdated(self) -> bool:
        """Whether it tested another revision than its item's current one (reads the review)."""
        return self.review is not None and self.revision != self.review.revision

    @property
    def why_pointless(self) -> str:
        """Why nobody needs this unfinished run any more, in a sentence; empty when somebody does (reads the review, or
        the target, with its source)."""
        if self.baseline is not None:
            source = self.baseline.source
            return "" if source.active and source.tests_targets else "Targets of the source are not tested any more."
        review = self.item
        if not review.is_open:
            return f"The item is {review.get_state_display()}."
        if self.outdated:
            return "A newer revision is proposed."
        if reason := review.why_untracked:
            return reason
        if self.requested_by_id is None and not review.trusted:
            return "Its code does not run by itself any more: a reviewer has to allow it."
        if self.requested_by_id is None and self.status == Status.RETRY and review.conflicts:
            return "It conflicts with its target."
        return ""


class Attempt(models.Model):
    """One build request to the CI engine, and what became of it."""

    run = models.ForeignKey(TestRun, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=16, choices=AttemptOutcome.choices, default=AttemptOutcome.SENDING)
    created_at = models.DateTimeField(default=timezone.now)
    accepted_at = models.DateTimeField(null=True, blank=True)
    job_url = models.CharField(max_length=1000, blank=True, help_text="The job that it was sent to, at our address.")
    queue_url = models.CharField(max_length=1000, blank=True)
    build_url = models.CharField(max_length=1000, blank=True, help_text="A build of our own job, at our address.")
    ended_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, help_text="Why it was refused, lost or cancelled, in words.")
    # When its build is looked for, while only its place in the engine's queue is known.
    lookup_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When its build is to be stopped: the run was cancelled, or the attempt was given up.
    stop_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    stop_tries = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="one_row_per_attempt"),
            models.CheckConstraint(condition=Q(outcome__in=AttemptOutcome.values), name="attempt_outcome_known"),
            models.CheckConstraint(
                condition=~Q(outcome__in=[AttemptOutcome.ACCEPTED, AttemptOutcome.LOST]) | Q(accepted_at__isnull=False),
                name="accepted_attempt_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(stop_due_at__isnull=True) | Q(ended_at__isnull=False), name="only_ended_attempt_is_stopped"
            ),
        ]
        indexes = [
            # The sweep: builds that are still to be stopped.
            models.Index(fields=["stop_due_at"], name="attempt_stop_due", condition=Q(stop_due_at__isnull=False)),
            # The sweep: builds that are still to be found.
            models.Index(fields=["lookup_due_at"], name="attempt_lookup_due", condition=Q(lookup_due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"run {self.run_id}, attempt {self.number}"


class TestResult(models.Model):
    """One single test of a finished run, as its results file or test report had it."""

    __test__ = False

    run = models.ForeignKey(TestRun, on_delete=models.CASCADE, related_name="results", db_index=False)
    position = models.PositiveIntegerField()
    suite = models.CharField(max_length=255, blank=True)
    test = models.CharField(max_length=255)
    returncode = models.IntegerField(default=0)
    outcome = models.CharField(max_length=8, choices=TestOutcome.choices, default=TestOutcome.PASS)
    standing = models.CharField(
        max_length=16, choices=Standing.choices, blank=True, default="",
        help_text="Of a failing test: what is known of it; empty: nothing yet.",
    )  # fmt: skip
    error = models.TextField(blank=True, help_text="What was wrong, in short, where the report says it.")
    duration = models.FloatField(null=True, blank=True, help_text="Seconds.")
    output = models.TextField(blank=True)

    objects: ClassVar = TestResultQuerySet.as_manager()

    class Meta:
        ordering = ["run", "position"]
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="one_result_per_position")]
        indexes = [
            # Where else a test failed, and its whole history.
            models.Index(fields=["test", "suite", "outcome", "run"], name="result_of_test"),
        ]

    def __str__(self) -> str:
        return self.test

    @property
    def outcome_words(self) -> str:
        """The outcome in words; a return code that says more than that it failed is named."""
        code = f" ({self.returncode})" if self.outcome == TestOutcome.FAIL and self.returncode not in (0, 1) else ""
        return f"{TestOutcome(self.outcome).label}{code}"

    @property
    def symbol(self) -> str:
        return {TestOutcome.PASS: "✓", TestOutcome.FAIL: "✗"}.get(TestOutcome(self.outcome), "–")


class Recheck(models.Model):
    """A comment on Launchpad that asked for tests to run again. Kept so that each acts once, whatever becomes of it."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="rechecks", db_index=False)
    number = models.BigIntegerField(help_text="Launchpad's number of the comment.")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["review", "number"]
        constraints = [models.UniqueConstraint(fields=["review", "number"], name="one_recheck_per_comment")]

    def __str__(self) -> str:
        return f"comment {self.number} on {self.review_id}"
