"""The groups of the list: what is in each for whom, their order, and to which one a reader comes back."""

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from accounts.models import User
from reviews.models import Review, ReviewRequest, Source, Visit
from reviews.tests.factories import make_person, make_review

pytestmark = pytest.mark.django_db


def titles(client, query="", part=0):
    """Titles of the rows, in their order."""
    data = client.get(f"/{query}").context["dashboard"]
    return [row["title"] for row in data.sections[part].rows]


def tabs(client, query=""):
    return {tab.group.slug: tab.size for tab in client.get(f"/{query}").context["dashboard"].tabs}


@pytest.fixture
def submitter(client):
    """Somebody who submits and reviews nothing, logged in."""
    user = User.objects.create_user("sub", person=make_person("sub"))
    client.force_login(user)
    return user


def test_a_visitor_sees_incoming_and_reviews(client):
    make_review("Bug", state="new")
    make_review("Update")
    assert titles(client, part=0) == ["Bug"]
    assert titles(client, part=1) == ["Update"]
    assert set(tabs(client)) == {"waiting", "incoming", "reviews", "submitters"}


def test_a_reviewer_begins_with_what_they_can_do_best(client, reviewer):
    make_review("Mine", owner=reviewer.person)
    make_review("Held", locked_by=make_person("eve"), locked_at=timezone.now())
    make_review("Failing", verdict="fail")
    make_review("Old", days=9)
    green = make_review("Green", verdict="pass", days=1)
    asked = make_review("Asked", days=1)
    ReviewRequest.objects.create(review=asked, reviewer=reviewer.person, requested_at=timezone.now())
    assert titles(client) == ["Asked", green.title, "Old"]


def test_a_row_says_what_was_asked_of_the_reader(client, reviewer):
    review = make_review()
    ReviewRequest.objects.create(review=review, reviewer=reviewer.person, requested_at=timezone.now())
    assert "asked of you; no review yet" in client.get("/").content.decode()


def test_a_row_says_who_asked_the_reader(client, reviewer):
    request = ReviewRequest(review=make_review(), reviewer=reviewer.person, requested_at=timezone.now())
    request.registrant = make_person("ana", "<i>\u202eAna")
    request.save()
    assert "asked of you by \u2068&lt;i&gt;Ana\u2069; no review yet" in client.get("/").content.decode()


def test_a_row_names_its_submitter_once(client, reviewer):
    review = make_review()
    ReviewRequest.objects.create(
        review=review, reviewer=reviewer.person, registrant=review.owner, requested_at=timezone.now()
    )
    assert "asked of you; no review yet" in client.get("/").content.decode()


def test_a_submitter_begins_with_their_own(client, submitter):
    make_review("Others")
    make_review("Own", owner=submitter.person)
    assert titles(client) == ["Own"]


def test_the_turn_of_a_submitter_is_what_they_have_to_mend(client, submitter):
    make_review("Fails", owner=submitter.person, verdict="fail")
    make_review("Waits", owner=submitter.person)
    make_review("Of another", verdict="fail")
    assert titles(client, "?group=my-turn") == ["Fails"]


def test_who_has_nothing_begins_as_a_visitor(client, submitter):
    make_review("Update")
    assert titles(client, part=1) == ["Update"]


def test_waiting_for_submitters_are_open_ones_that_they_have_to_move(client):
    make_review("Reviewed", state="reviewed")
    make_review("Conflicts", conflicts=True)
    make_review("Waits")
    make_review("Merged", state="merged")
    assert sorted(titles(client, "?group=submitters")) == ["Conflicts", "Reviewed"]


def test_mine_is_what_i_submitted_or_hold(client, reviewer):
    make_review("Held", locked_by=reviewer.person, locked_at=timezone.now())
    make_review("Own", owner=reviewer.person, state="in-progress")
    make_review("Other")
    assert sorted(titles(client, "?group=mine")) == ["Held", "Own"]


def test_counts_of_every_group_follow_the_filter(client):
    make_review("mysql", state="new")
    make_review("mysql-proxy", state="reviewed")
    make_review("wordpress", state="new")
    assert tabs(client, "?q=mysql") == {"waiting": 1, "incoming": 1, "reviews": 0, "submitters": 1}


def test_the_groups_of_somebody_need_a_login(client):
    assert "Log in to see the group My turn." in client.get("/?group=my-turn").content.decode()


def test_an_unknown_group_is_said(client):
    assert "There is no group “odd”." in client.get("/?group=odd").content.decode()


@pytest.mark.parametrize("sort", ["best", "waiting", "submitted", "lines", "-best", "-lines", "lock"])
def test_every_order_gives_every_row(client, reviewer, sort):
    make_review("A", lines_added=3, lines_removed=1)
    make_review("B")
    assert sorted(titles(client, f"?group=reviews&sort={sort}")) == ["A", "B"]


def test_who_is_logged_in_comes_back_to_their_group_and_filters(client, reviewer):
    source = Source.objects.first()
    make_review("Here", source=source)
    make_review("There")
    client.get(f"/?group=reviews&source={source.name}&q=momentary&page=1")
    assert titles(client) == ["Here"]
    assert QueryDict(User.objects.get(pk=reviewer.pk).queue_view).dict() == {"group": "reviews", "source": source.name}


def test_a_filter_that_is_taken_off_stays_off(client, reviewer):
    make_review("Green", square="green")
    make_review("White")
    page = client.get("/?group=reviews&square=green").context["dashboard"]
    [chip] = page.chips
    assert chip.words == "tests: passed"
    assert sorted(titles(client, chip.href)) == ["Green", "White"]
    assert sorted(titles(client)) == ["Green", "White"]


def test_what_live_asks_for_is_no_look(client, reviewer):
    client.get("/?group=reviews")
    client.get("/?group=incoming", headers={"hx-request": "true"})
    assert User.objects.get(pk=reviewer.pk).queue_view == "group=reviews"


def test_only_what_changes_travels(client):
    make_review("Update")
    part = client.get("/", headers={"hx-request": "true"}).content.decode()
    assert "Update" in part
    assert "<html" not in part
    assert "<form" not in part


def test_looking_again_costs_no_query_more(client, reviewer, settings, django_assert_max_num_queries):
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = "http://ci.example.com/job/charms/", "token"
    make_review()
    client.get("/")
    with django_assert_max_num_queries(5):
        client.get("/")


def test_the_text_of_the_team_stands_over_its_items(client):
    source = Source.objects.first()
    Source.objects.filter(pk=source.pk).update(text="Read the **policy** <b>first</b>.")
    make_review(source=source)
    assert "<strong>policy</strong> &lt;b&gt;first" in client.get(f"/?source={source.name}").content.decode()
    assert "policy" not in client.get("/").content.decode()


# What changed since the reader was here.
def marked(client, query="?group=reviews"):
    data = client.get(f"/{query}").context["dashboard"]
    return [row["title"] for section in data.sections for row in section.rows if "Changed since" in row["html"]]


@pytest.fixture
def left(reviewer):
    """The reviewer left the list two hours ago."""
    User.objects.filter(pk=reviewer.pk).update(queue_seen_at=timezone.now() - timedelta(hours=2))
    return timezone.now() - timedelta(hours=2)


def test_on_the_first_visit_nothing_is_marked(client, reviewer):
    make_review(days=0)
    assert marked(client) == []


@pytest.mark.parametrize("field", ["updated_at", "turn_since", "verdict_at"])
def test_what_changed_after_the_last_visit_is_marked(client, left, field):
    before = left - timedelta(days=1)
    make_review("Same", days=2, turn_since=before)
    news = make_review("News", days=2, turn_since=before)
    Review.objects.filter(pk=news.pk).update(**{field: timezone.now() - timedelta(minutes=5)})
    client.get("/")  # begins another visit
    assert marked(client) == ["News"]


@pytest.mark.parametrize("tab", ["", "tests/", "history/"])
def test_what_was_opened_since_is_not_marked(client, left, tab):
    review = make_review("News", days=0)
    client.get("/")
    client.get(f"/reviews/{review.pk}/{tab}")
    assert marked(client) == []


def test_what_changes_after_it_was_opened_is_marked_again(client, left):
    review = make_review("News", days=0)
    client.get("/")
    client.get(f"/reviews/{review.pk}/")
    Review.objects.filter(pk=review.pk).update(updated_at=timezone.now())
    assert marked(client) == ["News"]
    client.get(f"/reviews/{review.pk}/")
    assert marked(client) == []


def test_looking_again_at_what_did_not_change_writes_nothing(client, left):
    review = make_review(days=1)
    client.get(f"/reviews/{review.pk}/")
    before = Visit.objects.get().at
    client.get(f"/reviews/{review.pk}/")
    assert Visit.objects.get().at == before


# The lock in the row.
def test_a_reviewer_locks_in_the_row_and_stays_there(client, reviewer):
    review = make_review()
    page = client.get("/?group=reviews").content.decode()
    assert f'formaction="/reviews/{review.pk}/lock/"' in page
    answer = client.post(f"/reviews/{review.pk}/lock/", {"next": "/?group=reviews"})
    assert answer.url == f"/?group=reviews#r{review.pk}"
    assert f'formaction="/reviews/{review.pk}/unlock/"' in client.get("/?group=reviews").content.decode()


def test_where_else_a_lock_leads_is_the_review(client, reviewer):
    review = make_review()
    answer = client.post(f"/reviews/{review.pk}/lock/", {"next": "https://evil.example.com/"})
    assert answer.url == f"/reviews/{review.pk}/"


def test_a_visitor_has_no_lock_button(client):
    make_review()
    assert "formaction" not in client.get("/").content.decode()


def test_anothers_lock_is_a_name(client, reviewer):
    make_review(locked_by=make_person("eve", "Eve Online"), locked_at=timezone.now())
    page = client.get("/?group=reviews").content.decode()
    assert "<bdi>Eve Online</bdi></td>" in page
    assert "/lock/" not in page
