"""The page of one review: its runs and their stories, its single tests (docs/specification.md, section 6)."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import Person, User
from reviews.models import Comment, Review, State
from testing.models import Attempt, Job, Server, Status, Substrate, TestResult, TestRun

NOW = timezone.now()


def make(number=1, **more):
    owner, _ = Person.objects.get_or_create(username="ada", defaults={"display_name": "Ada"})
    then = NOW - timedelta(days=number)
    facts = {
        "state": State.PENDING, "title": f"Item {number}", "kind": "update", "revision": "rev-2", "trusted": True,
        **more,
    }  # fmt: skip
    return Review.objects.create(
        url=f"https://launchpad.net/{number}", api_url=f"https://api/{number}", owner=owner, created_at=then,
        updated_at=then, **facts,
    )  # fmt: skip


def make_run(review, substrate="lxc", status=Status.PASS, **more):
    facts = {"revision": review.revision, **more}
    if status not in (Status.RETRY, Status.PENDING, Status.RUNNING):
        facts = {"finished_at": NOW, "next_attempt_at": None} | facts
    run = TestRun.objects.create(
        review=review, substrate=Substrate.objects.get(name=substrate), status=status, **facts
    )  # fmt: skip
    Attempt.objects.create(run=run, number=run.attempt)
    return run


@pytest.fixture
def reviewer(db, client):
    user = User.objects.create_user("rev")
    user.groups.add(Group.objects.get(name="reviewers"))
    client.force_login(user)
    return user


def page_of(client, review, tab="", **more):
    answer = client.get(f"/reviews/{review.pk}/{tab}", **more)
    assert answer.status_code == 200
    return answer.content.decode()


def runs_of(client, review):
    """The page of all its runs."""
    return page_of(client, review, "tests/")


def words(page):
    return " ".join(page.split())


@pytest.mark.django_db
def test_a_run_shows_what_it_was_merged_into(client):
    review = make(1)
    make_run(review, target_branch="main", target_revision="9b1e77aa")
    assert 'merged into <bdi>main</bdi> at <span class="code">9b1e77aa</span>' in words(runs_of(client, review))


@pytest.mark.django_db
def test_a_run_shows_its_attempts_and_times(client):
    review = make(1)
    run = make_run(
        review, status=Status.RUNNING, attempt=2, build_url="https://ci/7/",
        started_at=timezone.now() - timedelta(minutes=5), requested_by=Person.objects.create(username="eve"),
        next_attempt_at=NOW + timedelta(hours=2),
    )  # fmt: skip
    Attempt.objects.create(
        run=run, number=1, outcome="lost", accepted_at=NOW, ended_at=NOW,
        note="Attempt 1 brought no outcome within 60 seconds.",
    )  # fmt: skip
    page = words(runs_of(client, review))
    for said in (
        "▶</span> running", "attempt 2 of 5", 'href="https://ci/7/"', "by <bdi>eve</bdi>", "running for 5 min",
        "2 attempts", "Lost: Attempt 1 brought no outcome", "Building.", "Counts as lost if it does not report by",
    ):  # fmt: skip
        assert said in page


@pytest.mark.django_db
def test_what_waits_says_why_and_until_when(client, settings):
    review = make(1)
    until = timezone.now() + timedelta(minutes=3)
    make_run(review, status=Status.RETRY, error="Jenkins answered 503.", next_attempt_at=until)
    page = page_of(client, review)
    assert "Jenkins answered 503." in page
    assert f"{until:%Y-%m-%d %H:%M:%S} UTC" in page
    assert "Nothing is being tested." in page  # no Jenkins is configured


@pytest.mark.django_db
def test_outdated_runs_are_folded_below_the_current_ones(client):
    review = make(1)
    make_run(review, "aws", Status.FAIL, revision="rev-1")
    make_run(review, "lxc", Status.PASS)
    page = runs_of(client, review)
    assert page.index("✓</span> pass") < page.index("1 outdated run") < page.index("✗</span> fail")
    assert page.count(">outdated</span>") == 1


@pytest.mark.django_db
def test_single_tests_failed_first_and_their_output_on_demand(client):
    review = make(1)
    run = make_run(review, status=Status.FAIL)
    hostile = "<script>alert(1)</script>" + "\u202e" + "é" * 20_000
    TestResult.objects.bulk_create(
        [TestResult(run=run, position=n, suite="bundle", test=f"t{n}-x", duration=75.0) for n in range(40)]
        + [TestResult(run=run, position=40, suite="bundle", test="<b>", outcome="fail", returncode=3, output=hostile)]
    )
    page = runs_of(client, review)
    assert "1 of 41 failed</strong>" in page
    assert page.index("failed (3)") < page.index("t0-x")
    assert "1 min 15 s" in page
    assert "t39-x" not in page  # the run's page has them all
    assert "alert(1)" not in page
    assert "t39-x" in client.get(f"/reviews/{review.pk}/test-runs/{run.pk}/").content.decode()
    output = client.get(f"/reviews/{review.pk}/test-runs/{run.pk}/tests/40/").content.decode()
    for path in ("", "tests/40/"):  # every page answers HEAD
        assert client.head(f"/reviews/{review.pk}/test-runs/{run.pk}/{path}").status_code == 200
    assert "&lt;script&gt;alert(1)" in output
    assert "<script>alert" not in output
    assert "é" * 20_000 in output


@pytest.mark.django_db
def test_skipped_tests_are_counted_apart_and_say_why(client):
    run = make_run(make(1), status=Status.FAIL)
    outcomes = ["skip", "fail", "pass", "pass"]
    TestResult.objects.bulk_create(
        TestResult(run=run, position=n, test=f"t{n}", outcome=outcome, error=f"why {n}")
        for n, outcome in enumerate(outcomes)
    )
    page = words(runs_of(client, run.review))
    assert "Tests: <strong>1 of 4 failed, 1 skipped</strong>" in page
    assert page.index("why 1") < page.index(">t2<") < page.index("–</span> skipped") < page.index("why 0")
    assert "1 of 4 failed, 1 skipped" in client.get(f"/reviews/{run.review_id}/test-runs/{run.pk}/").content.decode()
    alone = client.get(f"/reviews/{run.review_id}/test-runs/{run.pk}/tests/0/").content.decode()
    assert ("skipped" in alone, "why 0" in alone) == (True, True)


@pytest.mark.django_db
def test_a_runs_page_shows_the_tests_of_one_outcome(client):
    run = make_run(make(1), status=Status.FAIL)
    TestResult.objects.bulk_create(
        [TestResult(run=run, position=n, test=f"bad{n}-x", outcome="fail", returncode=1) for n in range(201)]
        + [TestResult(run=run, position=201, test="good", outcome="pass")]
        + [TestResult(run=run, position=202, test="idle", outcome="skip")]
    )
    path = f"/reviews/{run.review_id}/test-runs/{run.pk}/"
    shown = {
        query: re.findall(r"<bdi>(bad|good|idle)", client.get(path + query).content.decode())
        for query in ("?outcome=pass", "?outcome=skip", "?outcome=fail&page=2", "?outcome=x&page=2", "?outcome=fail")
    }
    assert shown.pop("?outcome=fail") == ["bad"] * 200
    assert shown == {
        "?outcome=pass": ["good"], "?outcome=skip": ["idle"], "?outcome=fail&page=2": ["bad"],
        "?outcome=x&page=2": ["bad", "good", "idle"],
    }  # fmt: skip
    assert 'href="?outcome=fail&amp;page=2"' in client.get(path + "?outcome=fail").content.decode()


@pytest.mark.django_db
def test_where_nothing_failed_skipped_tests_are_not_called_passed(client):
    run = make_run(make(1))
    TestResult.objects.create(run=run, position=0, test="t0")
    assert "Tests: 1 passed" in runs_of(client, run.review)
    TestResult.objects.create(run=run, position=1, test="t1", outcome="skip")
    assert "Tests: 1 of 2 passed, 1 skipped" in runs_of(client, run.review)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["999/", "9" * 30 + "/", "9" * 18 + "/", "1/test-runs/5/", "1/test-runs/5/tests/1/", "x/", "-1/"]
)
def test_what_is_not_there_is_not_found(client, path):
    assert client.get(f"/reviews/{path}").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status"),
    [("999/", 405), ("9" * 30 + "/", 404), ("1/test-runs/5/", 405), ("1/test-runs/5/tests/1/", 405), ("x/", 404)],
)
def test_pages_are_not_posted_to(client, path, status):
    assert client.post(f"/reviews/{path}").status_code == status


@pytest.mark.django_db
def test_a_run_is_not_shown_below_another_review(client):
    run = make_run(make(1))
    assert client.get(f"/reviews/{make(2).pk}/test-runs/{run.pk}/").status_code == 404


@pytest.mark.parametrize(("reviews", "runs"), [(10, 1), (10, 100), (10_000, 1)])
def test_the_page_costs_the_same_however_much_there_is(
    client, reviewer, settings, django_assert_num_queries, reviews, runs
):
    # A Jenkins is configured, so no page has to look whether staff entered one.
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = "http://ci.example.com/job/charms/", "token"
    owner = Person.objects.create(username="ada")
    Review.objects.bulk_create(
        Review(
            url="http://x/", api_url=str(n), owner=owner, created_at=NOW, updated_at=NOW, state="pending", kind="new"
        )
        for n in range(reviews)
    )
    review = Review.objects.all()[5]
    lxc, eve = Substrate.objects.get(name="lxc"), Person.objects.create(username="eve")
    made = TestRun.objects.bulk_create(
        TestRun(review=review, substrate=lxc, status="fail", finished_at=NOW, next_attempt_at=None, requested_by=eve)
        for _ in range(runs)
    )
    Attempt.objects.bulk_create(Attempt(run=run, number=1) for run in made)
    TestResult.objects.bulk_create(TestResult(run=run, position=n, test="t") for run in made for n in range(3))
    Comment.objects.bulk_create(
        Comment(review=review, author=eve, api_url=str(n), created_at=NOW, content="x") for n in range(runs)
    )
    with django_assert_num_queries(11):
        page_of(client, review)
    with django_assert_num_queries(8):
        page = runs_of(client, review)
    assert page.count('class="run run-fail"') == runs


def test_a_page_that_is_open_is_sent_its_runs_again_when_one_changed(client, reviewer):
    review = make(1)
    run = make_run(review, status=Status.RUNNING)
    asked = {"HX-Request": "true"}
    for path in (f"/reviews/{review.pk}/", f"/reviews/{review.pk}/tests/"):
        TestRun.objects.filter(pk=run.pk).update(status=Status.RUNNING, finished_at=None)
        before = client.get(path, headers=asked)
        TestRun.objects.filter(pk=run.pk).update(status=Status.PASS, finished_at=NOW)
        after = client.get(path, headers={**asked, "If-None-Match": before["ETag"]})
        assert (after.status_code, "pass" in words(after.content.decode())) == (200, True)


def test_the_address_that_runs_are_launched_at_leads_to_them(client, reviewer):
    review = make(1)
    assert client.get(f"/reviews/{review.pk}/test-runs/").url == f"/reviews/{review.pk}/tests/"


@pytest.mark.django_db
def test_visitors_log_in_before_they_launch_and_others_are_refused_in_words(client):
    review = make(1)
    path = f"/reviews/{review.pk}/test-runs/"
    assert client.post(path, {"substrates": "lxc"}).url == f"/login/?next=/reviews/{review.pk}/"
    client.force_login(User.objects.create_user("someone"))
    answer = client.post(path, {"substrates": "lxc"})
    assert answer.status_code == 403
    assert b"Only " in answer.content
    assert client.get(path).status_code == 302
    assert not review.test_runs.exists()


@pytest.mark.parametrize(
    "form", [{"substrates": "moon"}, {"substrates": ["", "\x00"]}, {}, {"substrates": "a" * 10_000}]
)
def test_a_form_that_is_not_valid_launches_nothing(client, reviewer, form):
    review = make(1)
    page = client.post(f"/reviews/{review.pk}/test-runs/", form, follow=True)
    assert b"tick at least one" in page.content
    assert not review.test_runs.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["page=x", "page=-1", "page=99999999999999999999", "%00=%00"])
def test_a_query_that_is_not_valid_gives_the_page(client, query):
    run = make_run(make(1))
    assert client.get(f"/reviews/{run.review_id}/?{query}").status_code == 200
    assert client.get(f"/reviews/{run.review_id}/test-runs/{run.pk}/?{query}").status_code == 200


def test_a_reviewer_launches_tests_on_substrates(client, reviewer):
    review = make(1)
    page = client.post(f"/reviews/{review.pk}/test-runs/", {"substrates": ["lxc", "aws"]}, follow=True)
    assert b"Launched on lxc, aws" in page.content
    assert sorted(review.test_runs.values_list("substrate__name", flat=True)) == ["aws", "lxc"]
    again = client.post(f"/reviews/{review.pk}/test-runs/", {"substrates": ["lxc"]}, follow=True)
    assert b"Already under way on lxc" in again.content
    assert b"tick at least one" in client.post(f"/reviews/{review.pk}/test-runs/", follow=True).content


def test_nothing_is_ticked_in_advance(client, reviewer):
    boxes = re.findall(r'<input type="checkbox" name="substrates"[^>]*>', page_of(client, make(1)))
    assert len(boxes) > 1
    assert [box for box in boxes if "checked" in box] == []


def again(client, run, **form):
    return client.post(f"/reviews/{run.review_id}/test-runs/{run.pk}/again/", form, follow=True).content.decode()


def again_failed(client, review, **form):
    return client.post(f"/reviews/{review.pk}/test-runs/again/", form, follow=True).content.decode()


def test_a_run_is_run_again_on_its_substrate_for_the_current_revision(client, reviewer):
    review = make(1)
    old = make_run(review, "aws", Status.FAIL, revision="rev-1")
    assert f'formaction="/reviews/{review.pk}/test-runs/{old.pk}/again/"' in runs_of(client, review)
    assert "Launched on aws." in again(client, old, revision="rev-2")
    run = review.test_runs.exclude(pk=old.pk).get()
    assert (run.substrate.name, run.revision, run.requested_by.username) == ("aws", "rev-2", "rev")


def test_a_second_click_launches_nothing_more(client, reviewer):
    run = make_run(make(1), status=Status.FAIL)
    again(client, run)
    assert "Already under way on lxc." in again(client, run)
    assert run.review.test_runs.count() == 2


def test_what_failed_is_run_again_and_nothing_else(client, reviewer):
    review = make(1)
    make_run(review, "lxc", Status.PASS)
    make_run(review, "aws", Status.FAIL)
    make_run(review, "azure", Status.ERROR)
    make_run(review, "joyent", Status.CANCELED)
    make_run(review, "power8", Status.FAIL, created_at=NOW - timedelta(hours=1))
    make_run(review, "power8", Status.PASS)  # it has passed since
    page = words(page_of(client, review))
    assert 'Run again what failed</button> <span class="soft">on aws, azure, joyent</span>' in page
    assert "Launched on aws, azure, joyent." in again_failed(client, review, revision="rev-2")
    assert set(review.test_runs.unfinished().values_list("substrate__name", flat=True)) == {"aws", "azure", "joyent"}
    assert "Nothing was launched" in again_failed(client, review)
    assert review.test_runs.count() == 9
    assert "Run again what failed" not in page_of(client, review)


def test_failures_of_an_older_revision_are_not_run_again(client, reviewer):
    review = make(1)
    make_run(review, status=Status.FAIL, revision="rev-1")
    assert "Run again what failed" not in page_of(client, review)
    assert "Nothing was launched" in again_failed(client, review)


def test_a_substrate_that_is_switched_off_is_not_run_again(client, reviewer):
    review = make(1)
    run = make_run(review, "aws", Status.FAIL)
    Substrate.objects.filter(name="aws").update(active=False)
    assert "Run again" not in page_of(client, review)
    assert "Nothing was launched" in again_failed(client, review)
    assert "The substrate aws is not active." in again(client, run)


def test_a_revision_that_the_reviewer_has_not_seen_is_not_started(client, reviewer):
    review = make(1)
    run = make_run(review, status=Status.FAIL)
    Review.objects.update(revision="rev-3")
    form = {"revision": "rev-2"}
    launched = client.post(f"/reviews/{review.pk}/test-runs/", {"substrates": "lxc", **form}, follow=True)
    for page in (again(client, run, **form), again_failed(client, review, **form), launched.content.decode()):
        assert "a newer revision was proposed in the meantime" in page
    assert review.test_runs.count() == 1


@pytest.mark.django_db
def test_only_reviewers_run_again(client):
    review = make(1)
    run = make_run(review, status=Status.FAIL)
    paths = (f"/reviews/{review.pk}/test-runs/{run.pk}/again/", f"/reviews/{review.pk}/test-runs/again/")
    assert {client.post(path).url for path in paths} == {f"/login/?next=/reviews/{review.pk}/"}
    client.force_login(User.objects.create_user("someone"))
    assert {client.post(path).status_code for path in paths} == {403}
    assert {client.get(path).status_code for path in paths} == {405}
    assert "Run again" not in page_of(client, review)
    assert review.test_runs.count() == 1


def test_nothing_of_a_closed_item_is_offered_to_run_again(client, reviewer):
    review = make(1, state=State.MERGED)
    run = make_run(review, status=Status.FAIL)
    assert "Run again" not in page_of(client, review)
    assert "This item is MERGED" in again(client, run)
    assert "This item is MERGED" in again_failed(client, review)


def test_the_refreshed_part_of_the_page_can_run_again(client, reviewer):
    review = make(1)
    run = make_run(review, status=Status.FAIL)
    part = client.get(f"/reviews/{review.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert f"/test-runs/{run.pk}/again/" in part
    assert "csrfmiddlewaretoken" in part
    alone = client.get(f"/reviews/{review.pk}/test-runs/{run.pk}/").content.decode()
    assert f"/test-runs/{run.pk}/again/" in alone


@pytest.mark.django_db
def test_the_runs_say_that_they_wait_for_conflicts_and_since_when(client):
    since = NOW - timedelta(days=3)
    review = make(1, conflicts=True, conflicts_since=since, tests_wait_for="conflicts")
    page = words(page_of(client, review))
    assert f"Waits: conflicts with its target, since {since:%Y-%m-%d %H:%M} UTC (3 days ago)." in page
    assert "New items are tested by themselves" not in page
    assert "You can start a test all the same." not in page


@pytest.mark.django_db
def test_a_reviewer_is_told_that_a_test_can_be_started_all_the_same(client, reviewer):
    review = make(1, conflicts=True, tests_wait_for="conflicts")
    assert "Waits: conflicts with its target. You can start a test all the same." in words(page_of(client, review))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("waits_for", "why"), [("conflicts", "it conflicts with its target"), ("permission", "a reviewer has to allow it")]
)
def test_of_what_was_tested_by_hand_the_page_does_not_say_that_it_is_not_tested(client, waits_for, why):
    review = make(1, conflicts=True, tests_wait_for=waits_for, square="green")
    make_run(review, status="pass")
    page = words(page_of(client, review))
    assert f"No test starts by itself: {why}." in page
    assert "Not tested: a reviewer" not in page
    assert "Waits: " not in page


@pytest.mark.django_db
def test_a_run_of_another_plan_shows_what_its_plan_says(client):
    review = make(1)
    make_run(review, counts=False, max_attempts=2)
    page = words(runs_of(client, review))
    assert "does not count for the verdict" in page
    assert "attempt 1 of 2" in page


@pytest.mark.django_db
def test_a_run_says_which_job_it_is_sent_to(client):
    review = make(1)
    server = Server.objects.create(name="lab", url="https://ci.example.org/")
    run = make_run(review, job=Job.objects.create(name="arm", server=server, path="job/arm"))
    for page in (runs_of(client, review), client.get(f"/reviews/{review.pk}/test-runs/{run.pk}/").content.decode()):
        assert "job <bdi>arm</bdi> on <bdi>lab</bdi>" in words(page)


@pytest.mark.django_db
def test_a_run_of_the_environments_job_names_no_job(client):
    review = make(1)
    make_run(review)
    assert "job <bdi>" not in words(page_of(client, review))


@pytest.mark.django_db
def test_why_nothing_was_tested_is_said_in_one_place(client):
    review = make(1, tests_wait_for="conflicts", conflicts=True)
    page = page_of(client, review)
    assert "Waits: conflicts with its target" in page
    assert "Not tested yet" not in page
