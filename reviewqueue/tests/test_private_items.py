"""A private item is on no page, in no feed, export, search, figure or answer for readers who may not know of it.

The walk goes over every URL of the program, so that a new page is in it from its first day.
"""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from accounts.models import Person, User
from reviews.dashboard import GROUPS
from reviews.models import Comment, Event, Review, Source
from reviews.stats import ages, busiest, first_reviews, queue_lengths, throughput
from testing.models import Attempt, Substrate, TestResult, TestRun

pytestmark = pytest.mark.django_db

SECRETS = ("Embargoed overflow", "embargoed-branch", "embargoed words", "embargoed-test", "embargoed-build")
OPERATIONS = {"healthz", "readyz", "metrics"}  # not for readers: their clients come from within, and see numbers
OTHERS_TABLES = ("admin/auth", "admin/axes", "admin/django_celery_beat", "admin/social_django")  # they know no item
LOGIN = {"login/<slug:backend>", "login/<slug:backend>/complete"}  # these lead to the login services


def patterns(resolver, before=""):
    """Every URL's pattern, as it is written."""
    for pattern in resolver.url_patterns:
        path = before + re.sub(r"^\^|\$$", "", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, path)
        else:
            yield path


def fill(path, review, run):
    """An address of the pattern that leads to the item, where it leads to one."""
    path = (
        path.replace("/?", "/").replace("(?P<pk>[0-9]{1,18})", "<id:pk>").replace("(?P<username>[^/]+)", "<username>")
    )
    path = re.sub(r"\(\?P<url>\.\*\)|\(\?P<app_label>[^)]*\)", "reviews", path).replace(r"\.", ".")
    of_run = path.startswith(("api/test-runs/", "admin/testing/testrun/"))
    values = {
        "pk": run.pk if of_run else review.pk, "object_id": run.pk if of_run else review.pk, "run_pk": run.pk,
        "position": 0, "username": review.owner.username, "content_type_id": 1, "id": review.pk, "token": "x",
    }  # fmt: skip
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(values[match.group(1)]), path)


def addresses(review, run, *, admin):
    """Every address that can be read, and those of lists with what they can be asked."""
    found = [
        fill(path, review, run)
        for path in patterns(get_resolver())
        if path.rstrip("/") not in OPERATIONS | LOGIN
        and (admin or not path.startswith("admin/"))
        and not path.startswith(OTHERS_TABLES)
        and not path.endswith("/add/")
    ]
    owner = review.owner.username
    found += [
        *(f"/search/?format={wanted}" for wanted in ("csv", "json", "atom")),
        *(f"/search/?q={word}" for word in ("embargoed", "launchpad.net", owner)),
        *(f"/{path}?q=embargoed" for path in ("", "api/reviews/")),
        *(f"/?group={group}" for group in GROUPS), "/?group=waiting&q=embargoed",
        f"/search/?submitter={owner}", f"/search/people/?q={owner[:3]}", "/?sort=-age&state=pending", "/stats/?days=30",
        *(f"/people/{owner}/?list={name}" for name in ("needs", "locked", "submitted", "reviewed")),
        *(f"/people/eve/?list={name}" for name in ("needs", "locked", "submitted", "reviewed")),
        "/api/people/eve/", f"/api/reviews/?submitter={owner}&page_size=500", f"/api/test-runs/?review={review.pk}",
    ]  # fmt: skip
    if admin:
        found += [f"/admin/{table}/?q=embargoed" for table in ("reviews/review", "testing/testrun")]
    return sorted(set(found))


def read(client, address):
    """All that an answer says: its status, headers and body."""
    answer = client.get(address, headers={"hx-request": "true"} if address.endswith("/test-runs/") else {})
    body = b"".join(answer) if answer.streaming else answer.content
    return f"{answer.status_code} {dict(answer.items())} {body.decode()}"


def telling(client, review, run, *, admin=False):
    """The addresses whose answer gives the item away, of those that this client may read."""
    cache.clear()
    found = set()
    for address in addresses(review, run, admin=admin):
        answer = read(client, address)
        if any(secret in answer for secret in SECRETS):
            found.add(address)
    return found


@pytest.fixture
def item(settings):
    """An item with comments, history and runs, between two others in the queue."""
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_CLASSES": []}
    owner, eve = Person.objects.create(username="ada"), Person.objects.create(username="eve")
    source = Source.objects.get(name="charmers")
    now = timezone.now()
    made = []
    for number, title in enumerate(["Older", SECRETS[0], "Newer"]):
        at = now - timedelta(days=9 - number)
        made.append(
            Review.objects.create(
                title=title, url=f"https://code.launchpad.net/{number}", api_url=f"https://api/{number}", owner=owner,
                kind="update", state="pending", created_at=at, updated_at=at, revision="1", source=source,
            )
        )  # fmt: skip
    review = made[1]
    Review.objects.filter(pk=review.pk).update(
        branch=SECRETS[1], url="https://code.launchpad.net/embargoed-branch", first_reviewed_at=now, locked_by=eve,
        locked_at=now,
    )  # fmt: skip
    Comment.objects.create(review=review, author=eve, api_url="c", content=SECRETS[2], created_at=now)
    run = TestRun.objects.create(
        review=review, substrate=Substrate.objects.get(name="lxc"), revision="1", status="fail", finished_at=now,
        next_attempt_at=None, build_url=f"https://ci/{SECRETS[4]}/", error=SECRETS[2],
    )  # fmt: skip
    Attempt.objects.create(run=run, number=1)
    TestResult.objects.create(run=run, position=0, test=SECRETS[3], outcome="fail", returncode=1, output=SECRETS[2])
    Event.objects.create(review=review, kind="run", new="fail on lxc", run=run, note=SECRETS[2])
    review.refresh_from_db()
    return review, run


@pytest.fixture
def hidden(item):
    Review.objects.filter(pk=item[0].pk).update(private=True)
    return item


@pytest.fixture
def shared(hidden):
    """Private, and its source lets reviewers see it."""
    Source.objects.update(private_items="reviewers")
    return hidden


def log_in(client, who):
    if who == "visitor":
        return
    user = User.objects.create_user(
        who, is_staff=who == "staff", is_superuser=who == "staff",
        person=Person.objects.get(username="ada") if who == "submitter" else None,
    )  # fmt: skip
    if who == "reviewer":
        user.groups.add(Group.objects.get(name="reviewers"))
    client.force_login(user)


def test_the_walk_finds_a_public_item_wherever_it_is_shown(client, item):
    review, run = item
    log_in(client, "staff")
    page, api = f"/reviews/{review.pk}/", f"/api/reviews/{review.pk}/"
    assert telling(client, review, run, admin=True) >= {
        "/?group=waiting", "/?group=waiting&q=embargoed",
        "/search/", "/search/?format=csv", "/search/?format=json", "/search/?format=atom",
        "/search/?q=embargoed", "/people/ada/", "/people/eve/?list=locked", "/people/eve/?list=reviewed",
        page, f"{page}tests/", f"{page}history/", f"{page}test-runs/{run.pk}/", f"{page}test-runs/{run.pk}/tests/0/",
        "/api/reviews/", api, f"{api}test-runs/", "/api/people/ada/", "/api/people/eve/", "/api/test-runs/",
        f"/api/test-runs/{run.pk}/", "/admin/reviews/review/", f"/admin/reviews/review/{review.pk}/change/",
        "/admin/testing/testrun/", f"/admin/testing/testrun/{run.pk}/change/",
    }  # fmt: skip


@pytest.mark.parametrize("who", ["visitor", "submitter", "reviewer", "staff"])
def test_an_item_whose_source_lets_no_private_ones_in_is_visible_to_nobody(client, hidden, who):
    log_in(client, who)
    assert telling(client, *hidden, admin=who == "staff") == set()


@pytest.mark.parametrize("who", ["visitor", "submitter"])
def test_an_item_for_reviewers_only_is_hidden_from_all_others(client, shared, who):
    log_in(client, who)
    assert telling(client, *shared) == set()


@pytest.mark.parametrize("who", ["reviewer", "staff"])
@pytest.mark.parametrize(
    "path", ["/?group=waiting", "/search/", "/search/?format=atom", "/reviews/{}/", "/api/reviews/{}/"]
)
def test_reviewers_and_staff_see_an_item_for_reviewers_only(client, shared, who, path):
    log_in(client, who)
    assert SECRETS[0] in read(client, path.format(shared[0].pk))


@pytest.mark.parametrize(
    "path",
    ["/reviews/{}/", "/reviews/{}/tests/", "/reviews/{}/history/", "/reviews/{}/test-runs/{}/",
     "/reviews/{}/test-runs/{}/tests/0/", "/api/reviews/{}/", "/api/reviews/{}/test-runs/"],
)  # fmt: skip
def test_an_address_of_a_hidden_item_is_not_found(client, hidden, path):
    review, run = hidden
    for headers in ({}, {"hx-request": "true"}):
        assert client.get(path.format(review.pk, run.pk), headers=headers).status_code == 404


@pytest.mark.parametrize("path", ["lock/", "unlock/", "test-runs/"])
def test_a_reviewer_can_do_nothing_with_a_hidden_item(client, hidden, path):
    log_in(client, "reviewer")
    assert client.post(f"/reviews/{hidden[0].pk}/{path}", {"substrates": "all"}).status_code == 404
    assert TestRun.objects.count() == 1


def test_staff_can_not_refresh_a_hidden_item(client, hidden):
    log_in(client, "staff")
    assert client.post(f"/reviews/{hidden[0].pk}/refresh/").status_code == 404


def test_a_reviewer_can_not_launch_tests_of_a_hidden_item_by_the_api(client, hidden):
    log_in(client, "reviewer")
    answer = client.post(f"/api/reviews/{hidden[0].pk}/test-runs/", {"substrates": ["lxc"]}, "application/json")
    assert answer.status_code == 404
    assert TestRun.objects.count() == 1


def test_its_neighbours_are_each_others(client, hidden):
    before, _, after = Review.objects.order_by("updated_at")
    assert client.get(f"/reviews/{before.pk}/next/").url == f"/reviews/{after.pk}/"
    assert client.get(f"/reviews/{after.pk}/previous/").url == f"/reviews/{before.pk}/"


@pytest.mark.parametrize("way", ["next", "previous"])
def test_no_step_leads_on_from_a_hidden_item(client, hidden, way):
    assert client.get(f"/reviews/{hidden[0].pk}/{way}/").status_code == 404


@pytest.mark.parametrize("path", ["/", "/reviews/{}/", "/reviews/{}/tests/"])
def test_a_page_that_was_read_before_is_not_confirmed_to_another_reader(client, shared, path):
    path, headers = path.format(shared[0].pk), {"hx-request": "true"}
    log_in(client, "reviewer")
    etag = client.get(path, headers=headers)["ETag"]
    client.logout()
    answer = client.get(path, headers=headers | {"if-none-match": etag})
    assert answer.status_code == (200 if path == "/" else 404)
    assert SECRETS[0] not in answer.content.decode()


@pytest.mark.parametrize("path", ["/", "/search/", "/search/?format=json", "/search/?format=atom", "/people/ada/",
                                  "/reviews/{}/", "/api/reviews/"])  # fmt: skip
def test_no_shared_cache_keeps_what_depends_on_the_reader(client, shared, path):
    log_in(client, "reviewer")
    answer = client.get(path.format(shared[0].pk))
    answer.close()  # a stream keeps its transaction until then
    assert "private" in answer["Cache-Control"]
    assert "Cookie" in answer["Vary"]


def test_counts_speak_of_what_is_shown(client, hidden):
    assert "Reviews (2)" in client.get("/").content.decode()
    assert client.get("/api/reviews/").json()["count"] == 2
    assert 'Submitted <span class="count">2</span>' in client.get("/people/ada/").content.decode()


def test_figures_count_public_items_only(client, hidden):
    now = timezone.now()
    month = now - timedelta(days=30)
    assert sum(queue_lengths(month.date(), now.date())[now.date()].values()) == 2
    assert sum(age.count for age in ages(now.date())) == 2
    assert sum(week["submitted"] for week in throughput(month).values()) == 2
    assert (busiest(month), first_reviews(month)) == ([], [])


def test_somebody_known_by_a_hidden_item_alone_is_not_suggested(client, hidden):
    assert client.get("/search/people/?q=eve").json() == {"people": []}


@pytest.mark.parametrize("path", ["/people/eve/", "/api/people/eve/"])
def test_somebody_known_by_a_hidden_item_alone_has_no_page(client, hidden, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/people/eve/", "/api/people/eve/"])
def test_reviewers_find_who_is_known_by_an_item_for_reviewers_only(client, shared, path):
    assert client.get(path).status_code == 404
    log_in(client, "reviewer")
    assert client.get(path).status_code == 200
