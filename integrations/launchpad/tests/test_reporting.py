"""Verdicts are posted back to Launchpad, each once (docs/specification.md, section 5)."""

import json
import re
from datetime import timedelta
from urllib.parse import parse_qs, unquote_plus

import pytest
from django.db import connection
from django.utils import timezone
from launchpadlib.credentials import AccessToken, Credentials

from accounts.models import Person
from integrations.launchpad.credentials import save
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from integrations.launchpad.reporting import MAX_REFUSALS, claim_time, create_posts, publish_results
from integrations.launchpad.verdict_comment import marker_of
from integrations.models import VerdictPost
from integrations.sandbox.data import many
from integrations.sandbox.serving import Fault
from reviews.models import Comment, Review, Source
from reviews.tests.factories import diffs_are_read
from testing.models import Attempt, Status, Substrate, TestRun
from testing.sweep.outcomes import recover
from testing.verdicts import update_verdicts

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
        comments.append({"body": body, "raw": request["body"]})
        return 201, {"Location": f"{entry['self_link']}/comments/{len(comments)}"}, b""

    launchpad.answers["/devel/" + PATH] = answer
    for number in range(1, 4):
        comment = {"resource_type_link": f"{launchpad.root}#code_review_comment"}
        launchpad.put(f"{PATH}/comments/{number}", comment)
    return comments


def end(run, status):
    """The run has an outcome, as a callback or the sweep writes it down."""
    TestRun.objects.filter(pk=run.pk).update(status=status, finished_at=timezone.now(), next_attempt_at=None)
    update_verdicts([run.review_id])


def add_run(review, substrate, status="pass", **more):
    """A run of the current revision that has ended."""
    run = TestRun.objects.create(
        review=review, substrate=Substrate.objects.get_or_create(name=substrate)[0], revision=review.revision,
        status=status, finished_at=timezone.now(), next_attempt_at=None, **more,
    )  # fmt: skip
    update_verdicts([review.pk])
    return run


@pytest.fixture
def run(launchpad, review):
    review.test_runs.all().delete()
    Review.objects.filter(pk=review.pk).update(api_url=launchpad.root + PATH, title="Fix mysql")
    review.refresh_from_db()
    return add_run(review, "aws", build_url="http://jenkins/job/7/")


def publish():
    """How many verdicts were posted."""
    return publish_results().posted


def comment_of(posted):
    """The only comment that was posted: its fields as Launchpad reads them."""
    [comment] = posted
    return parse_qs(comment["raw"])


@pytest.mark.parametrize(
    ("policy", "verdict", "vote"),
    [
        ("both", "pass", "Approve"), ("both", "fail", "Needs Fixing"), ("both", "error", None),
        ("failures", "pass", None), ("failures", "fail", "Needs Fixing"), ("failures", "error", None),
        ("none", "pass", None), ("none", "fail", None),
    ],
)  # fmt: skip
def test_a_verdict_votes_as_its_source_says(posted, run, policy, verdict, vote):
    Source.objects.filter(pk=run.review.source_id).update(vote_policy=policy)
    end(run, verdict)
    assert publish() == 1
    assert comment_of(posted).get("vote", [None]) == [vote]


def test_a_verdict_is_posted_once(posted, run):
    assert publish() == 1
    assert publish() == 0
    post = run.review.verdict_posts.get()
    assert (post.verdict, post.number, post.state, post.tries, post.error) == ("pass", 1, "posted", 1, "")


def test_a_posted_verdict_is_noted_on_the_runs_that_it_says(posted, run):
    publish()
    run.refresh_from_db()
    assert run.posted_at


def test_a_posted_verdict_stands_in_the_history_once(posted, run):
    publish()
    assert [event.new for event in run.review.events.filter(kind="posted")] == ["verdict: passed"]


def test_the_comment_has_the_type_and_subject_that_others_filter_by(posted, run):
    publish()
    comment = comment_of(posted)
    assert json.loads(comment["review_type"][0]) == "Automated Testing"
    assert json.loads(comment["subject"][0]) == "Test results: Fix mysql"


def test_several_runs_are_one_comment(posted, run):
    add_run(run.review, "lxc")
    add_run(run.review, "azure", "fail")
    assert publish() == 1
    text = json.loads(comment_of(posted)["content"][0])
    assert text.splitlines()[0] == "Tests failed on azure; lxc and aws passed."


def test_nothing_is_posted_while_a_counted_run_is_under_way(posted, run):
    TestRun.objects.create(review=run.review, substrate=Substrate.objects.get(name="lxc"), revision=run.revision)
    update_verdicts([run.review_id])
    assert publish() == 0


def test_a_run_that_does_not_count_is_not_waited_for(posted, run):
    TestRun.objects.create(
        review=run.review, substrate=Substrate.objects.get(name="lxc"), revision=run.revision, counts=False
    )
    update_verdicts([run.review_id])
    assert publish() == 1


def test_the_verdict_waits_for_the_single_tests_that_explain_it(posted, run):
    TestRun.objects.filter(pk=run.pk).update(results_due_at=timezone.now())
    assert publish() == 0
    TestRun.objects.filter(pk=run.pk).update(results_due_at=None)
    assert publish() == 1


def test_a_pass_waits_for_two_looks_at_single_tests_and_no_more(posted, run):
    end(run, "pass")
    TestRun.objects.filter(pk=run.pk).update(results_due_at=timezone.now(), results_tries=1)
    assert publish() == 0
    TestRun.objects.filter(pk=run.pk).update(results_tries=2)
    assert publish() == 1


def test_a_failure_waits_for_later_looks_at_single_tests_too(posted, run):
    end(run, "fail")
    TestRun.objects.filter(pk=run.pk).update(results_due_at=timezone.now(), results_tries=2)
    assert publish() == 0


def test_the_verdict_does_not_wait_for_ever_for_single_tests(posted, run):
    now = timezone.now()
    TestRun.objects.filter(pk=run.pk).update(results_due_at=now, finished_at=now - timedelta(minutes=11))
    assert publish() == 1


def test_a_later_run_that_changes_nothing_posts_nothing(posted, run):
    publish()
    add_run(run.review, "aws", "pass")
    assert publish() == 0


def test_a_later_run_that_changes_the_verdict_is_posted(posted, run):
    publish()
    add_run(run.review, "aws", "fail")
    assert publish() == 1
    assert [post.number for post in run.review.verdict_posts.order_by("number")] == [1, 2]


def test_a_pass_takes_our_own_needs_fixing_back(posted, run):
    end(run, "fail")
    publish()
    add_run(run.review, "aws", "pass")
    publish()
    assert [parse_qs(comment["raw"])["vote"][0] for comment in posted] == ["Needs Fixing", "Abstain"]


def test_a_needs_fixing_of_an_older_revision_is_taken_back_too(posted, run):
    end(run, "fail")
    publish()
    Review.objects.filter(pk=run.review_id).update(revision="newer")
    run.review.refresh_from_db()
    add_run(run.review, "aws", "pass")
    publish()
    assert parse_qs(posted[1]["raw"])["vote"] == ["Abstain"]


def test_what_was_taken_back_is_not_taken_back_again(posted, run):
    end(run, "fail")
    publish()
    add_run(run.review, "aws", "pass")
    publish()
    Review.objects.filter(pk=run.review_id).update(revision="newer")
    run.review.refresh_from_db()
    add_run(run.review, "aws", "pass")
    publish()
    assert "vote" not in parse_qs(posted[2]["raw"])


def test_a_verdict_that_changed_before_it_was_posted_is_posted_as_it_is_now(posted, run):
    create_posts()
    end(run, "fail")
    assert publish() == 1
    assert publish() == 0
    assert [post.verdict for post in run.review.verdict_posts.all()] == ["fail"]


@pytest.fixture
def claimed(run):
    """Another process claimed the verdict just now."""
    now = timezone.now()
    return VerdictPost.objects.create(
        review=run.review, revision=run.revision, verdict="pass", state="claimed", claimed_until=now + claim_time(),
        tries=1,
    )  # fmt: skip


@pytest.fixture
def left_by_the_dead(claimed):
    """The process that claimed the verdict died before it could say what came of it."""
    VerdictPost.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    return claimed


def test_what_was_posted_before_the_process_died_is_not_posted_again(posted, run, launchpad, left_by_the_dead):
    text = f"Tests passed on aws.\n\n{marker_of(run.review, run.revision, 1)}"
    found = {
        "self_link": "c1", "author_link": launchpad.root + "~queue-bot", "content": text,
        "date_created": "2026-03-01T10:00:00+00:00",
    }  # fmt: skip
    launchpad.collection(PATH + "/all_comments", [found])
    assert publish() == 1
    assert posted == []
    run.refresh_from_db()
    assert run.posted_at


@pytest.fixture
def recoverable(run, jenkins):
    """The run was given up, and Jenkins has the results of its build after all."""
    results = {"tests": [{"suite": "bundle", "test": "deploy", "returncode": 0}]}
    jenkins.answers["/job/charm-test/7/artifact/results.json"] = (200, {}, json.dumps(results).encode())
    end(run, Status.ERROR)
    Source.objects.filter(pk=run.review.source_id).update(vote_policy="both")
    Attempt.objects.create(
        run=run, number=1, outcome="accepted", accepted_at=timezone.now(), build_url=f"{jenkins.job_url}/7/"
    )
    run.refresh_from_db()
    return run


def single_tests_are_read():
    """The sweep has collected the single tests of every run."""
    TestRun.objects.update(results_due_at=None)


def test_a_recovered_outcome_is_posted_as_well(posted, recoverable):
    assert publish() == 1
    assert "recovered: pass" in recover(recoverable)
    single_tests_are_read()
    assert publish() == 1
    assert publish() == 0
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
    assert publish() == 1
    single_tests_are_read()
    assert publish() == 1
    assert publish() == 0
    assert ["Approve" in comment["body"] for comment in posted] == [False, True]


def test_switching_posting_on_posts_no_old_outcomes(posted, run):
    old = timezone.now() - timedelta(days=8)
    TestRun.objects.filter(pk=run.pk).update(created_at=old, finished_at=old)
    assert publish() == 0
    assert posted == []


@pytest.mark.parametrize("news", ["created_at", "finished_at"])
def test_a_new_outcome_is_posted_whatever_clock_it_ended_by(posted, run, news):
    old = timezone.now() - timedelta(days=8)
    TestRun.objects.filter(pk=run.pk).update(**{"created_at": old, "finished_at": old, news: timezone.now()})
    assert publish() == 1


def test_what_was_not_posted_before_the_process_died_is_posted(posted, run, launchpad, left_by_the_dead):
    launchpad.collection(PATH + "/all_comments", [])
    assert publish() == 1
    assert len(posted) == 1


def test_an_outcome_that_was_wanted_once_stays_wanted_however_long_launchpad_is_away(posted, run, launchpad):
    create_posts()
    old = timezone.now() - timedelta(days=8)
    TestRun.objects.filter(pk=run.pk).update(created_at=old, finished_at=old)
    assert publish() == 1


def test_one_that_another_process_is_posting_is_left_alone(posted, run, claimed):
    assert publish() == 0
    assert posted == []


def test_nothing_is_posted_unless_it_is_switched_on(posted, run, settings):
    settings.TESTING_COMMENTS = False
    assert publish() == 0
    Source.objects.filter(pk=run.review.source_id).update(comments="on")
    assert publish() == 1


def hold(review, **facts):
    """Change the review's facts, which hold the outcome back, and let them be as they were."""
    before = {name: getattr(review, name) for name in facts}
    Review.objects.filter(pk=review.pk).update(**facts)
    assert publish() == 0
    Review.objects.filter(pk=review.pk).update(**before)


def test_the_outcome_of_a_hidden_item_is_posted_once_it_is_shown_again(posted, run):
    hold(run.review, private=True)
    assert posted == []
    assert publish() == 1


def test_the_outcome_of_a_private_item_that_reviewers_see_is_posted_where_only_those_in_the_know_read_it(posted, run):
    Source.objects.filter(pk=run.review.source_id).update(private_items="reviewers")
    Review.objects.filter(pk=run.review_id).update(private=True)
    assert publish() == 1


def test_the_outcome_of_an_item_out_of_reach_waits_until_launchpad_shows_it_again(posted, run):
    hold(run.review, missing_since=timezone.now(), missing_looks=1)
    assert posted == []
    assert publish() == 1


def test_nothing_is_posted_of_a_source_that_is_switched_off(posted, run):
    Source.objects.filter(pk=run.review.source_id).update(active=False)
    assert publish() == 0
    assert not VerdictPost.objects.exists()


def test_what_could_not_be_posted_of_a_hidden_item_is_no_alarm(posted, run):
    VerdictPost.objects.create(
        review=run.review,
        revision=run.revision,
        verdict="pass",
        error="Launchpad answered 500.",
        created_at=timezone.now() - timedelta(hours=2),
    )
    assert VerdictPost.objects.wanted().exists()
    Review.objects.filter(pk=run.review_id).update(private=True)
    assert not VerdictPost.objects.wanted().exists()


def test_an_outdated_outcome_is_not_posted(posted, run):
    Review.objects.filter(pk=run.review_id).update(revision="newer")
    assert publish() == 0


def test_without_credentials_the_post_says_which_command_to_run(posted, run, settings):
    settings.LAUNCHPAD_CREDENTIALS_FILE.unlink()
    assert publish() == 0
    assert "setup_launchpad_credentials" in run.review.verdict_posts.get().error


def test_a_launchpad_that_refuses_is_tried_again_later(posted, run, launchpad):
    launchpad.answers["/devel/" + PATH] = (500, {}, b"")
    assert publish() == 0
    run.refresh_from_db()
    post = run.review.verdict_posts.get()
    assert (run.posted_at, post.state) == (None, "waiting")
    assert post.error == "Launchpad answered 500 and did not take it."


def refuse(launchpad, status, words=b"This proposal takes no comments any more."):
    launchpad.answers["/devel/" + PATH] = (status, {"Content-Type": "text/plain"}, words)
    assert publish() == 0


def test_what_launchpad_refuses_is_kept_with_its_words(posted, run, launchpad):
    refuse(launchpad, 400)
    assert run.review.verdict_posts.get().error == (
        "Launchpad refused it (400): This proposal takes no comments any more."
    )


def test_what_launchpad_refuses_is_asked_again_soon_three_times_then_later_and_later(posted, run, launchpad):
    launchpad.collection(PATH + "/all_comments", [])
    launchpad.answers["/devel/" + PATH] = refuse_comments(launchpad.answers["/devel/" + PATH])
    pauses = []
    for _ in range(5):
        assert publish() == 0
        post = run.review.verdict_posts.get()
        pauses.append((post.due_at - timezone.now()).total_seconds())
        waited()
    assert pauses == [pytest.approx(900 * times, abs=60) for times in (1, 1, 1, 2, 4)]


def test_what_launchpad_refuses_ten_times_is_left_to_staff(posted, run, launchpad):
    create_posts()
    VerdictPost.objects.update(tries=MAX_REFUSALS - 1)
    launchpad.collection(PATH + "/all_comments", [])
    launchpad.answers["/devel/" + PATH] = refuse_comments(launchpad.answers["/devel/" + PATH])
    assert publish() == 0
    assert run.review.verdict_posts.get().state == "refused"
    waited()
    assert publish() == 0
    assert run.review.verdict_posts.get().tries == MAX_REFUSALS


def refuse_comments(answer):
    """Answer as before to those who read, and refuse those who write."""
    return lambda request: answer(request) if request["method"] == "GET" else (400, {}, b"No.")


@pytest.mark.parametrize("status", [401, 403])
def test_an_account_that_may_not_comment_is_named(posted, run, launchpad, status):
    launchpad.put("people/+me", {"name": "queue-bot"})
    refuse(launchpad, status, b"(<Proposal>, 'createComment', 'launchpad.Edit')")
    assert run.review.verdict_posts.get().error == (
        f"Launchpad answered {status}: the account queue-bot may not comment on it."
    )


def test_credentials_that_are_refused_are_named_as_that(posted, run, launchpad):
    launchpad.answers["/devel/people/+me"] = (401, {}, b"Expired token")
    refuse(launchpad, 401, b"Expired token")
    assert "does not accept the credentials any more" in run.review.verdict_posts.get().error


def test_one_that_is_refused_holds_up_no_other(sandbox, on_sandbox):
    path = on_sandbox.select_related("review").order_by("pk")[0].review.api_url.partition("/devel/")[2]
    sandbox.launchpad.faults = [Fault(status=400, path=f"{re.escape(path)}$")]
    assert publish() == 59


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
    diffs_are_read()
    now = timezone.now()
    TestRun.objects.exclude(substrate__name="lxc").delete()
    TestRun.objects.update(status=Status.PASS, finished_at=now, next_attempt_at=None)
    update_verdicts(set(TestRun.objects.values_list("review_id", flat=True)))
    return TestRun.objects.all()


def waited():
    """The pause of what could not be posted is over."""
    VerdictPost.objects.unposted().update(due_at=timezone.now())


def test_a_comment_whose_answer_was_lost_is_not_sent_again(sandbox, on_sandbox):
    sandbox.launchpad.faults = [Fault("lost", path="merge/[0-9]+$", times=2)]
    assert publish() == 58
    waited()
    assert publish() == 2
    markers = [post["content"].splitlines()[-1] for post in sandbox.launchpad.posts]
    assert len(markers) == len(set(markers)) == 60


def test_a_failure_is_tried_again_sooner_than_a_claim_of_the_dead(sandbox, on_sandbox, settings):
    sandbox.launchpad.faults = [Fault(path="merge/[0-9]+$", times=1)]
    began = timezone.now()
    assert publish() == 59
    assert publish() == 0
    failed = VerdictPost.objects.unposted().get().due_at - timedelta(seconds=settings.CLAIM_SECONDS / 2)
    assert began <= failed <= timezone.now()


def test_a_launchpad_that_is_down_is_asked_a_few_times_not_once_an_outcome(sandbox, on_sandbox):
    sandbox.launchpad.faults = [Fault(path="merge/[0-9]+$")]
    sandbox.launchpad.requests.clear()
    assert publish() == 0
    assert len(sandbox.launchpad.requests) < 12
    assert VerdictPost.objects.filter(tries=0, state="waiting").count() > 45  # nobody holds what was not tried


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
    assert publish() == 55
    assert len(sandbox.launchpad.posts) == 55
    errors = set(VerdictPost.objects.unposted().values_list("error", flat=True))
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
    update_verdicts(set(TestRun.objects.values_list("review_id", flat=True)))
    assert publish() == 4
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
