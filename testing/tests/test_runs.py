"""Whatever happens to a run, in whatever order, the rules hold (docs/specification.md, section 5)."""

import contextlib

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from accounts.models import Person
from reviews.models import Review, State
from testing.callbacks import apply_callback, callback_token
from testing.ci import BuildRecord, BuildRef, CIBackend, ConfigurationError, Results, SingleTest, TemporaryError
from testing.models import OUTCOMES, UNFINISHED, Status, Substrate, TestRun
from testing.runs import cancel_run, launch_runs
from testing.sweep import sweep
from testing.verdicts import square_of


class ScriptedCI(CIBackend):
    """An engine that does what the test wants next."""

    name = "Engine"
    answer: object = BuildRef("queue/1", "")
    outcome = ""
    sent: list[tuple[int, str]] = []

    def unconfigured(self):
        return ""

    def start(self, request):
        type(self).sent.append((request.run_id, request.callback_url))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def cancel(self, build):
        if isinstance(self.answer, TemporaryError):
            raise self.answer

    def record(self, build):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return BuildRecord(build_url="b/", outcome=self.outcome) if self.outcome else None

    def results(self, build_url):
        return Results((SingleTest("s", "t", 0, 1.0),), None) if self.outcome == "pass" else None

    def build_of_job(self, url):
        return url


def make_review() -> Review:
    owner, _ = Person.objects.get_or_create(username="ada")
    now = timezone.now()
    return Review.objects.create(
        kind="update", title="t", state=State.PENDING, url="http://lp/1", api_url=f"http://lp/{now.timestamp()}",
        owner=owner, created_at=now, updated_at=now, revision="1", trusted=True,
    )  # fmt: skip


class RunLife(RuleBasedStateMachine):
    """Any interleaving of send, callback, sweep, cancel, relaunch and crash."""

    @initialize()
    def begin(self):
        ScriptedCI.answer, ScriptedCI.outcome, ScriptedCI.sent = BuildRef("queue/1", ""), "", []
        self.review = make_review()
        self.substrate = Substrate.objects.get(name="lxc")
        self.outcomes: dict[int, str] = {}
        launch_runs(self.review, [self.substrate], None)

    def newest(self) -> TestRun:
        return TestRun.objects.filter(review=self.review).order_by("-pk")[0]

    @rule(
        answer=st.sampled_from(
            [BuildRef("queue/1", ""), TemporaryError("down"), ConfigurationError("no such job"), SystemExit()]
        ),
        outcome=st.sampled_from(["", "pass", "fail", "error"]),
        due=st.booleans(),
    )
    def sweeps(self, answer, outcome, due):
        ScriptedCI.answer, ScriptedCI.outcome = answer, outcome
        if due:
            TestRun.objects.filter(status__in=UNFINISHED).update(next_attempt_at=timezone.now())
        with contextlib.suppress(SystemExit):  # the process died; the rows are what is left
            sweep()

    @rule(status=st.sampled_from(["RUNNING", "PASS", "FAIL", "ABORTED"]), back=st.integers(0, 2))
    def calls_back(self, status, back):
        run = self.newest()
        before = run.status
        number = max(1, run.attempt - back)
        result = apply_callback(run.pk, callback_token(run.pk, number), status)
        if number != run.attempt or before not in UNFINISHED:
            assert not result.applied
            assert TestRun.objects.get(pk=run.pk).status == before

    @rule()
    def is_cancelled(self):
        cancel_run(self.newest(), actor=None, note="enough")

    @rule()
    def is_launched(self):
        launch_runs(self.review, [self.substrate], None)

    @rule()
    def is_closed_and_opened(self):
        Review.objects.filter(pk=self.review.pk).update(state=State.MERGED)
        ScriptedCI.answer = TemporaryError("down")
        sweep()
        assert not TestRun.objects.filter(review=self.review, status__in=UNFINISHED).exists()
        Review.objects.filter(pk=self.review.pk).update(state=State.PENDING)

    @invariant()
    def rules_hold(self):
        if not hasattr(self, "review"):
            return
        runs = list(TestRun.objects.filter(review=self.review))
        assert sum(run.status in UNFINISHED for run in runs) <= 1
        for run in runs:
            assert 1 <= run.attempt <= 5
            assert (run.finished_at is None) == (run.status in UNFINISHED)
            if run.pk in self.outcomes:
                assert run.status == self.outcomes[run.pk]  # an outcome is never undone
            if run.status in (*OUTCOMES, Status.CANCELED):
                self.outcomes[run.pk] = run.status
        square = Review.objects.values_list("square", flat=True).get(pk=self.review.pk)
        assert square == square_of(run.status for run in runs)


class TestRunLife(TestCase):
    def test_any_interleaving_keeps_the_rules(self):
        with self.settings(TESTING_CI_BACKEND="testing.tests.test_runs.ScriptedCI"):

            class Machine(RunLife):
                def teardown(self):
                    Review.objects.all().delete()

            run_state_machine_as_test(Machine, settings=profile(max_examples=25, stateful_step_count=15))


@pytest.mark.django_db
def test_the_database_refuses_a_second_unfinished_run():
    review = make_review()
    lxc = Substrate.objects.get(name="lxc")
    TestRun.objects.create(review=review, substrate=lxc, revision="1")
    with pytest.raises(IntegrityError), transaction.atomic():
        TestRun.objects.create(review=review, substrate=lxc, revision="1")


@pytest.mark.parametrize(
    ("statuses", "square"),
    [
        ([], "white"),
        (["canceled"], "white"),
        (["retry"], "black"),
        (["pending", "running"], "black"),
        (["fail", "running"], "red"),
        (["error"], "red"),
        (["error", "fail", "pass", "running"], "green"),
        (["canceled", "running"], "black"),
    ],
)
def test_the_square(statuses, square):
    assert square_of(statuses) == square
