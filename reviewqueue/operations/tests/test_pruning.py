"""Pruning lets go of what is old and closed, and of nothing else."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import Person, User
from integrations.models import ImportReport, OwnPost, WebhookDelivery
from reviewqueue.operations import pruning
from reviewqueue.operations.models import Heartbeat
from reviewqueue.operations.pruning import PRUNED_TEXT, prune
from reviewqueue.operations.tasks import prune_queue
from reviews.models import Comment, Diff, Event, Review, Source
from testing.models import Attempt, Status, Substrate, TestResult, TestRun

pytestmark = pytest.mark.django_db
NOW = timezone.now()
OLD = NOW - timedelta(days=400)


@pytest.fixture
def made(db):
    """A review in a state, with a comment, all sorts of events and a run with attempt and result."""
    ada, _ = Person.objects.get_or_create(username="ada")
    lxc = Substrate.objects.get(name="lxc")

    def make(state, closed_at=None, *, at=OLD, status=Status.PASS, **run_facts):
        number = Review.objects.count()
        review = Review.objects.create(
            title=f"item {number}", kind="update", state=state, url="https://lp/1", api_url=f"https://api/{number}",
            owner=ada, created_at=OLD, updated_at=OLD, revision="1", closed_at=closed_at, positive_votes=1,
        )  # fmt: skip
        Comment.objects.create(
            review=review, author=ada, api_url=f"https://api/{number}/c", content="+1 fine", created_at=at,
            sentiment="positive",
        )  # fmt: skip
        for kind in Event.Kind:
            Event.objects.create(review=review, kind=kind, at=at)
        finished = None if status in ("retry", "pending", "running") else at
        run = TestRun.objects.create(
            review=review, substrate=lxc, revision="1", status=status, finished_at=finished, created_at=at, **run_facts
        )
        Attempt.objects.create(run=run, number=1, created_at=at)
        TestResult.objects.create(run=run, position=0, test="deploy", output="x" * 100)
        return review

    return make


def holds(review):
    """What there is of a review: texts, events, attempts, results."""
    return (
        review.comments.exclude(content=PRUNED_TEXT).count(),
        review.events.count(),
        Attempt.objects.filter(run__review=review).count(),
        TestResult.objects.filter(run__review=review).count(),
    )


WHOLE = (1, len(Event.Kind), 1, 1)


def test_a_long_closed_review_keeps_its_way_votes_and_outcomes(made):
    review = made("merged", OLD)
    prune(days=365)
    assert holds(review) == (0, 2, 0, 0)
    assert sorted(review.events.values_list("kind", flat=True)) == ["imported", "state"]
    assert review.comments.get().sentiment == "positive"
    assert review.test_runs.get().status == "pass"


@pytest.mark.parametrize(
    "state", ["new", "pending", "reviewed", "in-progress", "follow-up", "ready", "merged", "closed", "abandoned"]
)
def test_open_and_lately_closed_reviews_stay_whole(made, state):
    closed = state in ("merged", "closed", "abandoned")
    review = made(state, NOW - timedelta(days=300) if closed else None)
    prune(days=365)
    assert holds(review) == WHOLE


@pytest.mark.parametrize("status", [Status.RETRY, Status.PENDING, Status.RUNNING])
def test_what_recovery_needs_stays(made, status):
    review = made("closed", OLD, status=status)
    prune(days=365)
    assert holds(review)[1:] == WHOLE[1:]


def test_results_that_are_still_to_be_collected_stay(made):
    review = made("closed", OLD, results_due_at=NOW)
    prune(days=365)
    assert holds(review)[2:] == (1, 1)


def test_an_outcome_that_is_not_posted_yet_can_still_be(made):
    review = made("closed", OLD)
    prune(days=1)
    run = review.test_runs.get()
    assert (run.posted_at, run.status, run.revision) == (None, "pass", "1")


def test_records_of_the_machinery_go_too(db):
    source = Source.objects.first()
    for days in (400, 390, 10):
        ImportReport.objects.create(source=source, started_at=NOW - timedelta(days=days))
    other = ImportReport.objects.create(source=Source.objects.last(), started_at=OLD)
    WebhookDelivery.objects.create(source=source, number="1", received_at=OLD)
    WebhookDelivery.objects.create(source=source, number="2")
    Heartbeat.objects.create(kind="worker", host="old", at=NOW - timedelta(days=8))
    Heartbeat.objects.create(kind="worker", host="new")
    Session.objects.create(session_key="a", session_data="", expire_date=NOW - timedelta(seconds=1))
    Session.objects.create(session_key="b", session_data="", expire_date=NOW + timedelta(days=1))
    prune(days=365)
    assert ImportReport.objects.filter(source=source).count() == 1
    assert ImportReport.objects.filter(pk=other.pk).exists()  # a source's newest always stays
    assert WebhookDelivery.objects.get().number == "2"
    assert Heartbeat.objects.get().host == "new"
    assert Session.objects.get().session_key == "b"


def test_a_dry_run_says_the_same_and_touches_nothing(made, capsys):
    review = made("merged", OLD)
    call_command("prune_queue", "--dry-run")
    said = capsys.readouterr().out
    assert holds(review) == WHOLE
    call_command("prune_queue")
    assert capsys.readouterr().out == said.replace("would be pruned", "pruned")
    assert "1  comment texts of long closed reviews" in said
    call_command("prune_queue")
    assert "        0  rows pruned, older than 365 days" in capsys.readouterr().out


def test_batches_and_a_budget(made, monkeypatch):
    for _ in range(5):
        made("merged", OLD)
    monkeypatch.setattr(pruning, "BATCH_SIZE", 2)
    assert sum(prune(days=365, budget=0).values()) == 0
    assert prune(days=365)["single test results of long closed reviews"] == 5


@pytest.mark.parametrize("days", ["0", "-1", "soon", "1.5", "99999999999"])
def test_a_number_of_days_that_is_not_valid_is_refused(days):
    with pytest.raises(CommandError, match="number of days"):
        call_command("prune_queue", f"--days={days}")


def test_it_runs_every_night_unless_staff_say_otherwise(made, settings):
    review = made("merged", OLD)
    schedule = PeriodicTask.objects.get(task=prune_queue.name)
    assert (schedule.crontab.hour, schedule.enabled) == ("3", True)
    settings.PRUNE_DAYS = 500
    prune_queue()
    assert holds(review) == WHOLE
    settings.PRUNE_DAYS = 365
    prune_queue()
    assert holds(review) == (0, 2, 0, 0)


def test_of_each_review_the_newest_diffs_stay(made):
    first, second = made("pending", at=NOW), made("pending", at=NOW)
    for number in range(5):
        Diff.objects.create(review=first, url=f"https://x/{number}")
    Diff.objects.create(review=second, url="https://x/0")
    assert prune(days=1)["diffs, but for the newest of each review"] == 2
    assert [diff.url[-1] for diff in first.diffs.order_by("id")] == ["2", "3", "4"]
    assert second.diffs.count() == 1


def test_the_diffs_of_long_closed_reviews_go(made):
    review = made("merged", closed_at=OLD)
    Diff.objects.create(review=review, url="https://x/0", asked_at=OLD)
    Diff.objects.create(review=review, url="https://x/1", asked_at=NOW)
    prune(days=1)
    assert [diff.url for diff in review.diffs.all()] == ["https://x/1"]


def test_what_people_posted_goes_and_what_is_on_its_way_stays(made):
    review, user = made("ready"), User.objects.create_user("marta")
    values = {"user": user, "review": review, "text": "Fine.", "saved_at": OLD, "sent_at": OLD}
    OwnPost.objects.create(state="posted", posted_at=OLD, **values)
    kept = [OwnPost.objects.create(state=state, **values) for state in ("waiting", "draft", "refused")]
    prune(days=365)
    assert set(OwnPost.objects.all()) == set(kept)


def test_drafts_on_long_closed_reviews_go(made):
    draft = {"user": User.objects.create_user("marta"), "saved_at": OLD, "text": "Begun"}
    OwnPost.objects.create(review=made("merged", OLD), **draft)
    kept = OwnPost.objects.create(review=made("merged", NOW), **draft)
    prune(days=365)
    assert list(OwnPost.objects.all()) == [kept]
