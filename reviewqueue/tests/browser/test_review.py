"""The page of one review in a real browser: launching, watching, reading, whatever the text out of the world is."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Person, User
from reviews.models import Comment, Event, Review
from testing.models import Attempt, Status, Substrate, TestResult, TestRun

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HOSTILE = "<script>alert(1)</script> \u202egnp.exe \u2067\u2066" + "x" * 3_000


@pytest.fixture(autouse=True)
def substrates(queue):
    """The classic ones, whatever the test before has left of them."""
    for order, name in enumerate(("lxc", "aws", "azure", "joyent", "power8")):
        Substrate.objects.get_or_create(name=name, defaults={"order": order, "default": name == "lxc"})


@pytest.fixture
def full(make_review):
    """A review with every status, attempts, single tests, long and hostile comments, and history."""
    now = timezone.now()
    review = make_review("Add a storage hook, so that data survives an upgrade", revision="rev-7", positive_votes=1)
    eve = Person.objects.create(username="eve", display_name="Eve " + HOSTILE[:60])
    lxc, aws = Substrate.objects.get(name="lxc"), Substrate.objects.get(name="aws")
    for number, status in enumerate(Status.values):
        unfinished = status in ("retry", "pending", "running")
        run = TestRun.objects.create(
            review=review, substrate=[lxc, aws][number % 2] if not unfinished else Substrate.objects.all()[number],
            status=status, revision="rev-7", attempt=2, requested_by=eve if number % 2 else None,
            started_at=None if status in ("retry", "pending") else now - timedelta(minutes=70),
            finished_at=None if unfinished else now - timedelta(minutes=9),
            next_attempt_at=now + timedelta(minutes=7) if unfinished else None,
            build_url="" if status == "retry" else "https://jenkins.example.com/job/charm-test/7/console",
            error={"retry": "Jenkins answered 503.", "error": "Given up after 5 attempts."}.get(status, ""),
        )  # fmt: skip
        Attempt.objects.create(run=run, number=1, ended_at=now, note="Attempt 1 brought no outcome within 60 seconds.")
        Attempt.objects.create(run=run, number=2, accepted_at=now)
        if status in ("pass", "fail"):
            TestResult.objects.bulk_create(
                TestResult(
                    run=run, position=n, suite="bundle", test=f"{n}0-deploy" if n else HOSTILE[:255], duration=12.5 * n,
                    returncode=int(status == "fail" and n == 2), output=HOSTILE,
                    outcome="fail" if status == "fail" and n == 2 else "pass",
                )
                for n in range(4)
            )  # fmt: skip
    TestRun.objects.create(
        review=review, substrate=lxc, status="fail", revision="rev-6", finished_at=now, next_attempt_at=None
    )
    words = [
        "Stores the data of the service on a volume of its own.\nhttps://example.com/" + "y" * 300, HOSTILE,
        "> " + "\n> ".join(f"quoted line {n}" for n in range(9)) + "\n\nI disagree with this.",
        "> a short quotation\nLGTM, thank you. " + "word " * 1_000,
    ]  # fmt: skip
    for number, content in enumerate(words):
        Comment.objects.create(
            review=review, author=review.owner if number == 0 else eve, api_url=str(number), content=content,
            created_at=now - timedelta(hours=9 - number), is_description=number == 0,
            sentiment=["neutral", "negative", "neutral", "positive"][number],
            vote=["", "Needs Fixing", "", "Approve"][number],
        )  # fmt: skip
    Event.objects.create(review=review, kind="state", old="NEW", new="PENDING", at=now - timedelta(hours=10))
    for word in ("retry", "pending", "running", "pass"):
        Event.objects.create(review=review, kind="run", new=f"{word} on lxc", at=now, run=run)
    return review


def test_a_reviewer_launches_on_two_substrates_and_sees_them_turn_green(queue, page, reviewer, make_review, sandbox):
    review = make_review("Port the hooks to Python 3")
    queue.log_in(page, reviewer)
    page.clock.install()  # so that the page's next look does not have to be waited for
    page.goto(f"/reviews/{review.pk}/")
    expect(page.get_by_text("Not tested yet")).to_be_visible()
    page.keyboard.press("t")
    for name in ("lxc", "aws"):
        page.get_by_role("checkbox", name=name, exact=True).set_checked(True)
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text("Launched on")).to_be_visible()
    expect(page.locator("#tests .run-mark-pending")).to_have_count(2)
    page.goto(f"/reviews/{review.pk}/tests/")
    page.evaluate("window.sameDocument = true")

    runs = page.locator("#tests .run")
    expect(runs.locator(".badge-pending")).to_have_count(2)
    page.locator("#tests summary", has_text="attempt").first.click()
    for number in list(sandbox.jenkins.builds):
        sandbox.jenkins.begin(number)
        assert sandbox.jenkins.call_back(number, "RUNNING") == 200
    page.clock.fast_forward("01:00")
    expect(runs.locator(".badge-running")).to_have_count(2)
    assert page.locator("#tests details[open]").count() == 1  # what was open is open still
    for number in list(sandbox.jenkins.builds):
        sandbox.jenkins.end(number)
        assert sandbox.jenkins.call_back(number, "SUCCESS") == 200
    page.clock.fast_forward("01:00")
    expect(runs.locator(".badge-pass").first).to_be_visible()
    expect(page.locator("#tests .square-green")).to_be_visible()
    assert page.evaluate("window.sameDocument")


def test_an_open_page_shows_what_changed_and_keeps_what_the_reader_does(queue, page, reviewer, full):
    queue.log_in(page, reviewer)
    page.clock.install()
    page.goto(f"/reviews/{full.pk}/")
    page.locator("#timeline summary", has_text="Quoted text").click()
    page.get_by_role("button", name="Run again on aws").focus()
    place = "document.activeElement.id"
    focused = page.evaluate(place)
    Comment.objects.create(
        review=full, author=full.owner, api_url="late", content="Said meanwhile", created_at=timezone.now()
    )
    full.test_runs.filter(substrate__name="lxc", revision="rev-7").update(error="Seen meanwhile")
    Review.objects.filter(pk=full.pk).update(locked_by=full.owner, locked_at=timezone.now())
    page.clock.fast_forward("00:16")
    expect(page.locator("#timeline")).to_contain_text("Said meanwhile")
    expect(page.locator("#tests")).to_contain_text("Seen meanwhile")
    expect(page.locator("#review-head")).to_contain_text("holds the lock")
    assert page.evaluate(place) == focused
    expect(page.locator("#timeline details[open]")).to_have_count(1)


def test_a_page_that_can_not_be_kept_fresh_says_so(queue, page, make_review):
    review = make_review()
    page.clock.install()
    page.goto(f"/reviews/{review.pk}/")
    page.evaluate("() => { window.answering = fetch; window.fetch = async () => { throw new TypeError('lost') } }")
    page.clock.fast_forward("01:01")
    expect(page.get_by_text("The server has not answered for 1 min, so this page may be out of date.")).to_be_visible()
    page.evaluate("() => { window.fetch = window.answering }")
    page.clock.fast_forward("00:16")
    expect(page.get_by_text("The server has not answered")).to_be_hidden()


def test_a_visitor_is_offered_nothing_that_would_be_refused(page, full):
    page.goto(f"/reviews/{full.pk}/")
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("checkbox")).to_have_count(0)


def test_a_submitter_finds_out_what_is_expected(queue, page, make_review):
    review = make_review("Needs another turn", state="reviewed", kind="new")
    queue.log_in(page, User.objects.create_user("bjorn", person=review.owner))
    page.goto(f"/reviews/{review.pk}/")
    box = page.locator("section", has=page.get_by_role("heading", name="What is expected of you")).last
    expect(box).to_contain_text("answer in a comment on the bug on Launchpad")


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_page_is_accessible(queue, window, look, full, reviewer, accessible):
    page = window(color_scheme=look)
    queue.log_in(page, reviewer)
    for tab in ("", "tests/", "history/"):
        page.goto(f"/reviews/{full.pk}/{tab}")
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
        accessible(page)


def test_a_phone_shows_it_all_without_scrolling_sideways(queue, phone, full, reviewer, overflow):
    queue.log_in(phone, reviewer)
    run = full.test_runs.get(status="fail", revision="rev-7")
    for path in ("", "tests/", "history/", f"test-runs/{run.pk}/", f"test-runs/{run.pk}/tests/0/"):
        phone.goto(f"/reviews/{full.pk}/{path}")
        phone.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
        assert overflow(phone) == 0, path


def test_without_script_everything_can_be_read_and_run_again(queue, page_without_script, reviewer, full):
    page = page_without_script
    queue.log_in(page, reviewer)
    page.goto(f"/reviews/{full.pk}/tests/")
    page.get_by_text("of this revision").click()
    page.get_by_text("1 of 4 failed").click()
    page.get_by_role("link", name="20-deploy").first.click()
    expect(page.get_by_role("heading", name="Output")).to_be_visible()
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    page.goto(f"/reviews/{full.pk}/")
    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_text("You hold the lock")).to_be_visible()
    page.get_by_role("button", name="Run again what failed").click()
    expect(page.get_by_text("Already under way on lxc, aws")).to_be_visible()
    page.get_by_role("button", name="Run again on aws").first.click()
    expect(page.get_by_text("Already under way on aws.")).to_be_visible()
