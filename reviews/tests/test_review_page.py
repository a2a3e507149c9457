"""The page of one review: the sentence, what is expected of whom, steps along the list, locking, refreshing."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from accounts.models import HIDDEN_USERNAME, Person, User
from reviews.models import Review, Source, State
from reviews.tests.factories import make_person, make_review

pytestmark = pytest.mark.django_db


def get_page(client, review, **more):
    answer = client.get(f"/reviews/{review.pk}/", **more)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_one_sentence_says_what_it_is_and_who_acts_next(client):
    now = timezone.now()
    make_person(display_name="Ada")
    review = make_review(
        days=3, source=Source.objects.get(name="charmers"), revision="rev-2", synced_at=now - timedelta(minutes=4),
        due_at=now + timedelta(minutes=6, seconds=30), sync_error="Launchpad is down.",
    )  # fmt: skip
    page = get_page(client, review)
    for words in (
        "An update by", "Ada</bdi>", "3 days ago", "PENDING", "<strong>A reviewer’s turn:</strong> no review yet.",
        "Nobody holds the lock.", "charmers", "rev-2", "4 min ago", "in 6 min",
        "Not up to date: Launchpad is down.", f'href="{review.url}"',
    ):  # fmt: skip
        assert words in page


def test_the_page_says_since_when_it_is_somebodys_turn(client):
    review = make_review()
    Review.objects.update(turn_since=timezone.now() - timedelta(days=3, minutes=1))
    page = get_page(client, review)
    since = Review.objects.get().turn_since
    assert "So since <time" in page
    assert f">{since:%Y-%m-%d %H:%M} UTC</time>" in page
    assert "3 days ago</time>.</span>" in page


def test_times_nearer_than_a_minute_are_not_zero_minutes(client):
    now = timezone.now()
    review = make_review(locked_by=make_person("eve"), locked_at=now, due_at=now + timedelta(seconds=30))
    page = get_page(client, review)
    assert "eve</bdi></a> holds the lock, taken <time" in page
    assert (">just now</time>" in page, "within a minute" in page, "0 min" in page) == (True, True, False)


@pytest.mark.parametrize(
    ("state", "kind", "expected"),
    [
        ("new", "new", "Nothing for now: a reviewer acts next."),
        ("reviewed", "new", "answer in a comment on the bug"),
        ("in-progress", "update", "set the proposal on Launchpad to Needs review"),
        ("in-progress", "new", "set the bug on Launchpad to New"),
        ("follow-up", "new", "Nothing for now: a reviewer acts next."),
        ("ready", "update", "Nothing for now: a reviewer acts next."),
        ("abandoned", "update", "propose it again"),
    ],
)
def test_everybody_reads_what_is_expected_of_the_submitter(client, state, kind, expected):
    assert expected in get_page(client, make_review(state=state, kind=kind))


def test_the_submitter_is_spoken_to(client):
    review = make_review()
    client.force_login(User.objects.create_user("ada", person=review.owner))
    page = get_page(client, review)
    assert "What is expected of you" in page
    assert "New test" not in page


@pytest.mark.parametrize("state", State.values)
@pytest.mark.parametrize("kind", ["new", "update"])
def test_every_state_says_what_is_expected(client, state, kind):
    assert "What is expected of the submitter" in get_page(client, make_review(state=state, kind=kind))


def test_names_do_not_turn_the_text_behind_them(client):
    review = make_review()
    Person.objects.update(display_name="Ada\u202e\u2067 Lovelace")
    assert "<bdi>Ada Lovelace</bdi>" in get_page(client, review)


@pytest.fixture
def queue():
    """What the dashboard shows, in its order, and two that it does not show."""
    shown = [
        make_review(days=9, state="new"), make_review(days=8, state="new"), make_review(days=7, state="ready"),
        make_review(days=6, state="pending"), make_review(days=5, state="follow-up"),
    ]  # fmt: skip
    same_time = make_review(state="pending", updated_at=shown[-1].updated_at)
    make_review(days=3, state="reviewed")
    make_review(days=2, state="merged")
    return [*shown, same_time]


def step(client, review, way="next"):
    """Where it leads, and what is said there."""
    answer = client.get(f"/reviews/{review.pk}/{way}/", follow=True)
    return answer.redirect_chain[-1][0], [str(message) for message in answer.context["messages"]]


def test_previous_and_next_follow_the_list(client, queue):
    for before, after in pairwise(queue):
        assert step(client, before) == (f"/reviews/{after.pk}/", [])
        assert step(client, after, "previous") == (f"/reviews/{before.pk}/", [])


def test_at_its_ends_they_stay_and_say_so(client, queue):
    said = "This is the {} item in the list All waiting."
    assert step(client, queue[0], "previous") == (f"/reviews/{queue[0].pk}/", [said.format("first")])
    assert step(client, queue[-1]) == (f"/reviews/{queue[-1].pk}/", [said.format("last")])


def test_next_follows_the_group_and_filters_that_a_reader_came_from(client, reviewer, queue):
    client.get("/?group=reviews&state=pending&sort=-age")
    assert step(client, queue[-1])[0] == f"/reviews/{queue[3].pk}/"
    page = get_page(client, queue[3])
    assert all(f'href="/reviews/{queue[3].pk}/{way}/"' in page for way in ("previous", "next"))
    assert '<a href="/">Reviews</a>' in page


def test_what_left_the_list_leads_to_its_first_item(client, reviewer, queue):
    client.get("/?group=incoming")
    said = "The item you came from is not in the list Incoming. This is the first that is."
    assert step(client, queue[3]) == (f"/reviews/{queue[0].pk}/", [said])


def test_an_empty_list_leads_up_to_it(client, reviewer):
    client.get("/?group=incoming")
    assert step(client, make_review(state="pending")) == ("/", ["Nothing is left in the list Incoming."])


def test_what_is_not_in_the_queue_has_no_steps(client, queue):
    assert 'rel="next' not in get_page(client, Review.objects.get(state="merged"))


def test_a_visitor_is_offered_no_buttons(client):
    page = get_page(client, make_review())
    assert "New test" not in page
    assert "Lock</button>" not in page


@pytest.mark.parametrize("button", ["lock", "unlock", "refresh"])
def test_a_visitor_logs_in_and_comes_back(client, button):
    review = make_review()
    answer = client.post(f"/reviews/{review.pk}/{button}/")
    assert answer.url == f"/login/?next=/reviews/{review.pk}/"


@pytest.mark.parametrize("button", ["lock", "unlock", "refresh"])
def test_who_may_not_is_refused_in_words(client, button):
    review = make_review()
    client.force_login(User.objects.create_user("someone"))
    answer = client.post(f"/reviews/{review.pk}/{button}/")
    assert answer.status_code == 403
    assert b"Only " in answer.content


def test_a_button_that_is_opened_by_hand_leads_to_the_page(client, reviewer):
    review = make_review()
    answer = client.get(f"/reviews/{review.pk}/lock/")
    assert answer.url == f"/reviews/{review.pk}/"
    review.refresh_from_db()
    assert review.locked_by is None


def test_a_reviewer_locks(client, reviewer):
    review = make_review()
    client.post(f"/reviews/{review.pk}/lock/")
    review.refresh_from_db()
    assert review.locked_by == reviewer.person


def test_locking_what_somebody_else_holds_names_the_holder(client, reviewer):
    review = make_review(locked_by=make_person("eve", "Eve"), locked_at=timezone.now())
    assert b"Eve was faster" in client.post(f"/reviews/{review.pk}/lock/", follow=True).content


@pytest.mark.parametrize(("active", "offered"), [(True, 1), (False, 0)], ids=["on", "off"])
def test_locking_is_offered_while_the_source_is_switched_on(client, reviewer, active, offered):
    review = make_review(source=Source.objects.create(name="team", kind="project", target="team", active=active))
    assert get_page(client, review).count(f'action="/reviews/{review.pk}/lock/"') == offered


def test_an_item_of_a_source_that_is_switched_off_is_not_locked(client, reviewer):
    review = make_review(source=Source.objects.create(name="asleep", kind="project", target="asleep", active=False))
    page = client.post(f"/reviews/{review.pk}/lock/", follow=True).content
    assert b"Not locked. The source asleep is switched off" in page
    review.refresh_from_db()
    assert review.locked_by is None


def test_only_staff_release_the_lock_of_another(client, reviewer):
    review = make_review(locked_by=make_person("eve", "Eve"), locked_at=timezone.now())
    assert b"Eve holds the lock. Staff" in client.post(f"/reviews/{review.pk}/unlock/", follow=True).content
    client.force_login(User.objects.create_user("boss", is_staff=True))
    client.post(f"/reviews/{review.pk}/unlock/")
    review.refresh_from_db()
    assert review.locked_by is None


def test_staff_refresh_now(client, boss, django_capture_on_commit_callbacks):
    review = make_review(due_at=timezone.now() + timedelta(hours=1))
    assert "Refresh now" in get_page(client, review)
    with django_capture_on_commit_callbacks() as messages:
        page = client.post(f"/reviews/{review.pk}/refresh/", follow=True).content.decode()
    assert "Launchpad is being asked" in page
    assert len(messages) == 1  # the message to a worker; should it get lost, the row says the same:
    review.refresh_from_db()
    assert review.due_at <= timezone.now()
    assert review.events.get(kind="staff").actor.username == "boss"


def test_twelve_queries_at_most(client, reviewer, settings, django_assert_max_num_queries):
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = "http://ci.example.com/job/charms/", "token"
    review = make_review()
    client.post(f"/reviews/{review.pk}/test-runs/", {"substrates": ["all"]})
    run = review.test_runs.first()
    run.status, run.finished_at = "fail", timezone.now()
    run.save()
    run.results.create(position=0, test="20-deploy", outcome="fail")
    get_page(client, review)  # Django asks SQLite once whether it knows JSON
    review.visits.all().delete()
    with django_assert_max_num_queries(12):
        page = get_page(client, review)
    assert page.count('class="run" id="run-') == review.test_runs.count() > 0


@pytest.mark.parametrize("path", ["7/", f"{'9' * 18}/", f"{'9' * 30}/"])
def test_a_review_that_does_not_exist_is_not_found(client, path):
    assert client.get(f"/reviews/{path}").status_code == 404


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/review/7", "/reviews/7/"),
        ("/user/o-brien", "/people/o-brien/"),
        ("/user/a%3Fb", "/people/a%3Fb/"),
    ],
)
def test_old_paths_lead_to_the_new(client, old, new, slash):
    assert client.get(f"{old}{slash}").url == new


NOT_SHOWN = "Launchpad has not shown this item since"


def make_missing(**fields):
    since = timezone.now() - timedelta(hours=1)
    values = {"missing_since": since, "missing_looks": 1, "sync_error": "Launchpad answered 404.", **fields}
    return make_review(**values)


def test_an_item_out_of_reach_says_since_when_how_often_it_was_checked_and_what_happens_next(client, settings):
    settings.MISSING_LOOKS, settings.MISSING_HOURS = 4, 2.5
    review = make_missing(missing_looks=2)
    page = get_page(client, review)
    assert (
        f"{NOT_SHOWN} {review.missing_since:%Y-%m-%d %H:%M} UTC (1 hour ago); it was checked 2 times in a row." in page
    )
    assert "Launchpad answered 404." in page
    until = review.missing_since + timedelta(hours=2.5)
    assert f"becomes ABANDONED if a check after {until:%Y-%m-%d %H:%M} UTC does not find it either" in page
    assert "after at least 4 checks in a row" in page
    assert "Not up to date" not in page


def test_the_last_check_of_an_item_out_of_reach_is_the_one_that_did_not_find_it(client):
    now = timezone.now()
    review = make_missing(synced_at=now - timedelta(days=2), looked_at=now - timedelta(minutes=20))
    assert "20 min ago</time>, not found</dd>" in get_page(client, review)


def test_one_check_is_once(client):
    assert "it was checked once." in get_page(client, make_missing())


def test_an_item_that_was_reported_deleted_says_so(client):
    assert "Launchpad also reported that it was deleted" in get_page(client, make_missing(reported_deleted=True))


def test_an_abandoned_item_says_that_it_can_come_back(client):
    page = get_page(client, make_missing(state=State.ABANDONED))
    assert "If it comes back, it is taken up again with its history." in page
    assert "becomes ABANDONED" not in page


def test_an_item_that_launchpad_shows_says_nothing_of_that(client):
    assert NOT_SHOWN not in get_page(client, make_review())


def test_the_reason_of_a_state_is_shown_in_words(client):
    review = make_review(state=State.ABANDONED, state_reason="It has a tag that its source excludes.")
    assert "<strong>Nobody has to act:</strong> it has a tag that its source excludes." in get_page(client, review)


DUPLICATE = {
    "state": State.ABANDONED, "kind": "new", "duplicate_of": "https://bugs.launchpad.net/bugs/77",
    "state_reason": "It is a duplicate of https://bugs.launchpad.net/bugs/77.",
}  # fmt: skip


def test_a_duplicate_leads_to_the_other_item(client):
    other = make_review("The first report", kind="new", number=77)
    page = get_page(client, make_review(**DUPLICATE))
    assert f'It is a duplicate of <a href="/reviews/{other.pk}/"><bdi>The first report</bdi></a>.' in page


def test_a_duplicate_of_what_is_not_here_leads_to_launchpad(client):
    make_review("A proposal of that number", kind="update", number=77)
    page = get_page(client, make_review(**DUPLICATE))
    assert 'it is a duplicate of <a href="https://bugs.launchpad.net/bugs/77"' in page


def test_a_duplicate_does_not_give_a_private_item_away(client):
    make_review("Embargoed", kind="new", number=77, private=True)
    page = get_page(client, make_review(**DUPLICATE))
    assert "Embargoed" not in page


def test_an_item_of_a_source_that_is_switched_off_says_so(client, reviewer):
    source = Source.objects.get(name="charmers")
    review = make_review(source=source)
    Source.objects.update(active=False)
    page = get_page(client, review)
    assert "This item is not in the queue, because its source charmers is switched off." in page
    assert "New test" not in page
    assert "the new revision is tested by itself" not in page
    assert "<dt>Next check</dt><dd>not before its source is switched on</dd>" in page
    assert 'rel="next' not in page


def test_whom_launchpad_hides_has_no_link_and_no_page(client):
    page = get_page(client, make_review(owner=make_person(HIDDEN_USERNAME, "hidden by Launchpad")))
    assert 'by <span class="soft">hidden by Launchpad</span>' in page
    assert "/people/%28hidden" not in page
    assert client.get(f"/people/{HIDDEN_USERNAME}/").status_code == 404
    assert client.get(f"/api/people/{HIDDEN_USERNAME}/").status_code == 404


# --- the change -------------------------------------------------------------------------------------------------

CHANGE = {
    "source_branch": "fix", "target": "~ada/thing/+git/main:master", "target_revision": "9b1e77aa",
    "prerequisite": "~ada/thing/+git/base:first", "revision": "4f2a9c0d", "commit_message": "Fix it\n\nBecause.",
    "description": "Why <b>not</b>.", "conflicts": False, "lines_added": 12, "lines_removed": 3,
}  # fmt: skip


def make_change(**more):
    review = make_review(**(CHANGE | more))
    review.api_url = "https://api.launchpad.net/devel/~ada/thing/+git/fork/+merge/7"
    review.save()
    return review


def test_the_change_says_what_is_merged_into_what(client):
    page = get_page(client, make_change())
    for words in (
        "~ada/thing/+git/fork:fix", "4f2a9c0d", "~ada/thing/+git/main:master", "9b1e77aa", "~ada/thing/+git/base:first",
        "+12 −3", "Fix it Because.", "Why &lt;b&gt;not&lt;/b&gt;.", "<dt>Conflicts</dt><dd>None</dd>",
    ):  # fmt: skip
        assert words in page


def test_a_conflict_is_said_with_what_it_is_and_since_when(client):
    since = timezone.now().replace(hour=9, minute=0) - timedelta(days=2)
    page = get_page(client, make_change(conflicts=True, conflicts_text="Text conflict in <a>", conflicts_since=since))
    assert "It conflicts with its target" in page
    assert f"{since:%Y-%m-%d} 09:00" in page
    assert "Text conflict in &lt;a&gt;" in page


def test_before_its_first_diff_it_is_not_known_whether_it_conflicts(client):
    page = get_page(client, make_change(conflicts=None, lines_added=None, lines_removed=None))
    assert "Not known yet: Launchpad has no diff" in page
    assert "<dt>Size</dt>" not in page


def test_a_diff_that_was_not_read_yet_is_not_said_to_be_missing(client):
    page = get_page(client, make_change(conflicts=None, diff_marker="http://lp/+preview-diff/1", diff_url=""))
    assert "Not known yet: its diff is read with the next look" in page


def test_a_bug_has_no_conflicts_and_no_description_twice(client):
    page = get_page(client, make_change(kind="new", target="charms", conflicts=None))
    assert "<dt>For</dt>" in page
    assert "<dt>Conflicts</dt>" not in page
    assert "<h3>Description</h3>" not in page
