"""Outcomes are posted back to Launchpad, each once (docs/specification.md, section 5)."""

import json
import re
from datetime import timedelta
from urllib.parse import unquote_plus

import pytest
from django.db import connection
from django.utils import timezone
from launchpadlib.credentials import AccessToken, Credentials

from accounts.models import Person
from integrations.launchpad.credentials import save
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from integrations.launchpad.reporting import claim_time, content_of, create_posts, publish_results
from integrations.models import OutcomePost
from integrations.sandbox.data import many
from integrations.sandbox.serving import Fault
from reviews.models import Comment, Review, Source
from testing.models import Attempt, Status, Substrate, TestRun
from testing.sweep.outcomes import recover

PATH = "~ada/charms/trusty/mysql/fix-1/+merge/1"


@pytest.fixture
def posted(launchpad, settings):
    """A proposal on Launchpad that takes comments; returns what was posted."""
    settings.TESTING_COMMENTS = True
    credentials = Credentials("review-queue")
    credentials.access_token = AccessToken("key", "secret")
    save(credentials, settings.LAUNCHPAD_CREDENTIALS_FILE)
    type_link = f"{launchpad.root}#branch_merge_proposal"
    entry = launchpad.proposal(1, resource_type_link=type_link)
    comments: list[dict] = []

    def answer(request):
        if request["method"] == "GET":
            return 200, {"Content-Type": "application/json"}, json.dumps(entry).encode()
        body = unquote_plus(request["body"])
        comments.append({"body": body})
        return 201, {"Location": f"{entry['self_link']}/comments/{len(comments)}"}, b""

    launchpad.answers["/devel/" + PATH] = answer
    for number in range(1, 4):
        comment = {"resource_type_link": f"{launchpad.root}#code_review_comment"}
        launchpad.put(f"{PATH}/comments/{number}", comment)
    return comments


@pytest.fixture
def run(launchpad, review):
    Review.objects.filter(pk=review.pk).update(api_url=launchpad.root + PATH)
    review.refresh_from_db()
    now = timezone.now()
    return TestRun.objects.create(
        review=review, substrate=Substrate.objects.get(name="aws"), revision=review.revision, status=Status.PASS,
        finished_at=now, next_attempt_at=None, build_url="http://jenkins/job/7/",
    )  # fmt: skip


@pytest.mark.parametrize(("status", "vote"), [("pass", "Approve"), ("fail", "Needs Fixing"), ("error", None)])
def test_an_outcome_is_posted_once_with_its_vote(posted, run, status, vote):
    TestRun.objects.filter(pk=run.pk).update(status=status)
    assert publish_results() == 1
    assert publish_results() == 0
    run.refresh_from_db()
    assert run.posted_at
    post = run.posts.get()
    assert (post.outcome, post.state, post.tries, post.error) == (status, "posted", 1, "")
    [comment] = posted
    assert "AWS Test Results: Fix" in comment["body"]
    assert "Automated Testing" in comment["body"]
    assert (vote in comment["body"]) if vote else ("Approve" not in comment["body"])
    assert run.review.events.filter(kind="posted").count() == 1


@pytest.fixture
def claimed(run):
    """Another process claimed the outcome just now."""
    now = timezone.now()
    return OutcomePost.objects.create(
        run=run, outcome=run.status, state="claimed", claimed_until=now + claim_time(), tries=1
    )


@pytest.fixture
def left_by_the_dead(claimed):
    """The process that claimed the outcome died before it could say what came of it."""
    OutcomePost.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    return claimed


def test_what_was_posted_before_the_process_died_is_not_posted_again(posted, run, launchpad, left_by_the_dead):
    found = {
        "self_link": "c1", "author_link": launchpad.root + "~queue-bot", "content": content_of(left_by_the_dead),
        "date_created": "2026-03-01T10:00:00+00:00",
    }  # fmt: skip
    launchpad.collection(PATH + "/all_comments", [found])
    assert publish_results() == 1
    assert posted == []
    run.refresh_from_db()
    assert run.posted_at


@pytest.fixture
def recoverable(run, jenkins):
    """The run was given up, and Jenkins has the results of its build after all."""
    results = {"tests": [{"suite": "bundle", "test": "deploy", "returncode": 0}]}
    jenkins.answers["/job/charm-test/7/artifact/results.json"] = (200, {}, json.dumps(results).encode())
    TestRun.objects.filter(pk=run.pk).update(status=Status.ERROR)
    Attempt.objects.create(
        run=run, number=1, outcome="accepted", accepted_at=timezone.now(), build_url=f"{jenkins.job_url}/7/"
    )
    run.refresh_from_db()
    return run


def test_a_recovered_outcome_is_posted_as_well(posted, recoverable):
    assert publish_results() == 1
    assert "recovered: pass" in recover(recoverable)
    assert publish_results() == 1
    assert publish_results() == 0
    assert ["Approve" in comment["body"] for comment in posted] == [False, True]


@pytest.mark.django_db(transaction=True)
def test_an_outcome_that_is_recovered_while_the_error_is_posted_follows_it(posted, recoverable, launchpad):
    answer = launchpad.answers["/devel/" + PATH]

    def recover_meanwhile(request):
        if request["method"] == "POST" and not posted:
            recover(recoverable)
            connection.close()  # of the server's thread
        return answer(request)

    launchpad.answers["/devel/" + PATH] = recover_meanwhile
    assert publish_results() == 1
    assert publish_results() == 1
    assert publish_results() == 0
    assert ["Approve" in comment["body"] for comment in posted] == [False, True]


def test_switching_posting_on_posts_no_old_outcomes(posted, run):
    old = timezone.now() - timedelta(days=8)
    TestRun.objects.filter(pk=run.pk).update(created_at=old, finished_at=old)
    assert publish_results() == 0
    assert posted == []


@pytest.mark.parametrize("news", ["created_at", "finished_at"])
def test_a_new_outcome_is_posted_whatever_clock_it_ended_by(posted, run, news):
    old = timezone.now() - timedelta(days=8)
    TestRun.objects.filter(pk=run.pk).update(**{"created_at": old, "finished_at": old, news: timezone.now()})
    assert publish_results() == 1


def test_what_was_not_posted_before_the_process_died_is_posted(posted, run, launchpad, left_by_the_dead):
    launchpad.collection(PATH + "/all_comments", [])
    assert publish_results() == 1
    assert len(posted) == 1


def test_an_outcome_that_was_wanted_once_stays_wanted_however_long_launchpad_is_away(posted, run, launchpad):
    create_posts()
    old = timezone.now() - timedelta(days=8)
    TestRun.objects.filter(pk=run.pk).update(created_at=old, finished_at=old)
    assert publish_results() == 1


def test_one_that_another_process_is_posting_is_left_alone(posted, run, claimed):
    assert publish_results() == 0
    assert posted == []


def test_nothing_is_posted_unless_it_is_switched_on(posted, run, settings):
    settings.TESTING_COMMENTS = False
    assert publish_results() == 0
    Source.objects.filter(pk=run.review.source_id).update(comments="on")
    assert publish_results() == 1


def hold(review, **facts):
    """Change the review's facts, which hold the outcome back, and let them be as they were."""
    before = {name: getattr(review, name) for name in facts}
    Review.objects.filter(pk=review.pk).update(**facts)
    assert publish_results() == 0
    Review.objects.filter(pk=review.pk).update(**before)


def test_the_outcome_of_a_hidden_item_is_posted_once_it_is_shown_again(posted, run):
    hold(run.review, private=True)
    assert posted == []
    assert publish_results() == 1


def test_the_outcome_of_a_private_item_that_reviewers_see_is_posted_where_only_those_in_the_know_read_it(posted, run):
    Source.objects.filter(pk=run.review.source_id).update(private_items="reviewers")
    Review.objects.filter(pk=run.review_id).update(private=True)
    assert publish_results() == 1


def test_the_outcome_of_an_item_out_of_reach_waits_until_launchpad_shows_it_again(posted, run):
    hold(run.review, missing_since=timezone.now(), missing_looks=1)
    assert posted == []
    assert publish_results() == 1


def test_nothing_is_posted_of_a_source_that_is_switched_off(posted, run):
    Source.objects.filter(pk=run.review.source_id).update(active=False)
    assert publish_results() == 0
    assert not OutcomePost.objects.exists()


def test_what_could_not_be_posted_of_a_hidden_item_is_no_alarm(posted, run):
    OutcomePost.objects.create(
        run=run, outcome=run.status, error="Launchpad answered 500.", created_at=timezone.now() - timedelta(hours=2)
    )
    assert OutcomePost.objects.wanted().exists()
    Review.objects.filter(pk=run.review_id).update(private=True)
    assert not OutcomePost.objects.wanted().exists()


def test_an_outdated_outcome_is_not_posted(posted, run):
    Review.objects.filter(pk=run.review_id).update(revision="newer")
    assert publish_results() == 0


def test_without_credentials_the_post_says_which_command_to_run(posted, run, settings):
    settings.LAUNCHPAD_CREDENTIALS_FILE.unlink()
    assert publish_results() == 0
    assert "setup_launchpad_credentials" in run.posts.get().error


def test_a_launchpad_that_refuses_is_tried_again_later(posted, run, launchpad):
    launchpad.answers["/devel/" + PATH] = (500, {}, b"")
    assert publish_results() == 0
    run.refresh_from_db()
    post = run.posts.get()
    assert (run.posted_at, post.state) == (None, "waiting")
    assert post.error == "Launchpad answered 500 and did not take it."


def test_the_page_of_an_item_says_why_an_outcome_is_not_posted(posted, run, launchpad, client):
    launchpad.answers["/devel/" + PATH] = (500, {}, b"")
    publish_results()
    text = client.get(run.review.get_absolute_url()).content.decode()
    assert "Not posted to Launchpad yet: Launchpad answered 500 and did not take it." in text


@pytest.fixture
def on_sandbox(sandbox, settings, db, monkeypatch):
    """Proposals of the sandbox, each with an outcome that is not posted yet, and all the time in the world."""
    monkeypatch.setattr("integrations.launchpad.reporting.TIME_LIMIT_SECONDS", 3600)
    settings.TESTING_COMMENTS = True
    credentials = Credentials("review-queue")
    credentials.access_token = AccessToken("sandbox-token", "s3cret")
    save(credentials, settings.LAUNCHPAD_CREDENTIALS_FILE)
    many(sandbox.launchpad, proposals=60)
    import_source(Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody"))
    now = timezone.now()
    TestRun.objects.update(status=Status.PASS, finished_at=now, next_attempt_at=None)
    return TestRun.objects.all()


def waited():
    """The pause of what could not be posted is over."""
    OutcomePost.objects.unposted().update(due_at=timezone.now())


def test_a_comment_whose_answer_was_lost_is_not_sent_again(sandbox, on_sandbox):
    sandbox.launchpad.faults = [Fault("lost", path="merge/[0-9]+$", times=2)]
    assert publish_results() == 58
    waited()
    assert publish_results() == 2
    markers = [post["content"].splitlines()[-1] for post in sandbox.launchpad.posts]
    assert len(markers) == len(set(markers)) == 60


def test_a_failure_is_tried_again_sooner_than_a_claim_of_the_dead(sandbox, on_sandbox, settings):
    sandbox.launchpad.faults = [Fault(path="merge/[0-9]+$", times=1)]
    began = timezone.now()
    assert publish_results() == 59
    assert publish_results() == 0
    failed = OutcomePost.objects.unposted().get().due_at - timedelta(seconds=settings.CLAIM_SECONDS / 2)
    assert began <= failed <= timezone.now()


def test_a_launchpad_that_is_down_is_asked_a_few_times_not_once_an_outcome(sandbox, on_sandbox):
    sandbox.launchpad.faults = [Fault(path="merge/[0-9]+$")]
    sandbox.launchpad.requests.clear()
    assert publish_results() == 0
    assert len(sandbox.launchpad.requests) < 12
    assert OutcomePost.objects.filter(tries=0, state="waiting").count() > 45  # nobody holds what was not tried


def test_items_that_take_no_comment_hold_nobody_else_up(sandbox, on_sandbox):
    oldest = list(on_sandbox.select_related("review").order_by("pk")[:5])
    for run in oldest:
        path = run.review.api_url.partition("/devel/")[2]
        sandbox.launchpad.faults.append(Fault(path=f"{re.escape(path)}$"))
        TestRun.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(hours=1))
    publish_results()  # it takes them for a Launchpad that is down
    waited()
    publish_results()
    assert set(on_sandbox.filter(posted_at=None).values_list("pk", flat=True)) == {run.pk for run in oldest}


def test_credentials_are_sent_to_launchpad_alone(sandbox, on_sandbox):
    elsewhere = sandbox.launchpad.url.replace("127.0.0.1", "localhost")
    runs = list(on_sandbox.select_related("review").order_by("pk")[:5])
    for run in runs:  # imported while LAUNCHPAD_SERVICE_ROOT named another
        url = run.review.api_url.replace(sandbox.launchpad.url, elsewhere)
        Review.objects.filter(pk=run.review_id).update(api_url=url)
    assert publish_results() == 55
    assert len(sandbox.launchpad.posts) == 55
    errors = set(OutcomePost.objects.unposted().values_list("error", flat=True))
    assert errors == {"A link points outside of Launchpad; it was not followed."}


@pytest.fixture
def posted_on_two(sandbox, settings, db):
    """A proposal and a bug, both locked, read whole, and tested: then the outcomes are posted, and all is read again.

    Returns what the reviews said before.
    """
    settings.TESTING_COMMENTS = True
    credentials = Credentials("review-queue")
    credentials.access_token = AccessToken("sandbox-token", "s3cret")
    save(credentials, settings.LAUNCHPAD_CREDENTIALS_FILE)
    many(sandbox.launchpad, proposals=2, bugs=2)
    sources = [
        Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody"),
        Source.objects.get(name="charms"),
    ]
    sources[1].active = True
    sources[1].save()
    holder = Person.objects.create(username="marta-k")
    read_all(sources)
    Review.objects.update(locked_by=holder, locked_at=timezone.now())
    before = said_of_reviews()
    TestRun.objects.update(status=Status.FAIL, finished_at=timezone.now(), next_attempt_at=None)
    assert publish_results() == 4
    assert len(sandbox.launchpad.posts) == 4
    read_all(sources)
    return before


def read_all(sources):
    for source in sources:
        assert import_source(source).ok
    for review in Review.objects.all():
        assert refresh(review) == ""


def said_of_reviews():
    """What activity would change: lock, time, state, and the place in the line."""
    return list(
        Review.objects.order_by("updated_at", "pk").values_list(
            "kind", "pk", "locked_by__username", "updated_at", "state", "first_reviewed_at", "negative_votes"
        )
    )


@pytest.mark.parametrize("kind", ["update", "new"])
def test_our_own_posted_outcome_is_no_activity(posted_on_two, kind):
    assert Comment.objects.filter(is_automated=True, review__kind=kind).count() == 2
    before = [row for row in posted_on_two if row[0] == kind]
    assert [row for row in said_of_reviews() if row[0] == kind] == before


def test_what_a_person_says_after_our_comment_is_activity(posted_on_two, sandbox):
    review = Review.objects.filter(kind="update").first()
    path = review.api_url.partition("/devel/")[2]
    sandbox.launchpad.comment(path, "person-9", "I would not do this.")
    assert refresh(review) == ""
    review.refresh_from_db()
    assert review.locked_by is None
