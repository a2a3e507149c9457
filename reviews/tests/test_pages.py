"""The dashboard and the review page, as visitors, reviewers and staff see them (SPEC section 6)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import Person, User
from reviews.models import Review


def make(number, **more):
    owner, _ = Person.objects.get_or_create(username="ada", defaults={"display_name": "Ada <i>"})
    then = timezone.now() - timedelta(days=number)
    facts = {"state": "pending", "title": f"Item {number}", "kind": "update", **more}
    return Review.objects.create(
        url=f"https://launchpad.net/{number}", api_url=f"https://api/{number}", owner=owner, created_at=then,
        updated_at=then, **facts,
    )  # fmt: skip


@pytest.fixture
def reviewer(db, client):
    user = User.objects.create_user("rev")
    user.groups.add(Group.objects.get(name="reviewers"))
    client.force_login(user)
    return user


@pytest.mark.django_db
def test_the_line_has_its_counts_and_the_oldest_first(client):
    make(1, state="new")
    make(2), make(5), make(3, state="in-progress")
    page = client.get("/").content.decode()
    assert "Incoming (1)" in page
    assert "Reviews (2)" in page
    assert page.index("Item 5") < page.index("Item 2")
    assert "Item 3" not in page


@pytest.mark.django_db
@pytest.mark.parametrize("count", [10, 1000])
def test_the_dashboard_costs_the_same_however_long_the_line(client, django_assert_max_num_queries, count):
    owner = Person.objects.create(username="ada")
    now = timezone.now()
    Review.objects.bulk_create(
        Review(
            url="http://x/", api_url=str(n), owner=owner, created_at=now, updated_at=now, state="pending", kind="new"
        )
        for n in range(count)
    )
    with django_assert_max_num_queries(6):
        assert client.get("/").status_code == 200


@pytest.mark.django_db
def test_monitors_may_ask_for_the_head_alone(client):
    review = make(1)
    pages = ["", f"reviews/{review.pk}/", "search/", "search/?format=csv", "search/?format=atom", "people/ada/"]
    for page in (*pages, "stats/", "about/", "login/", "api/reviews/", "api/docs/"):
        assert client.head("/" + page).status_code == 200, page


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["sort=nonsense", "incoming=-1&reviews=99999", "reviews=%00", "sort=-votes"])
def test_nonsense_in_the_query_gives_the_page(client, query):
    make(1)
    assert client.get("/?" + query).status_code == 200


@pytest.mark.django_db
def test_hostile_titles_are_text(client):
    review = make(1, title="<script>alert(1)</script>\u202e" + "x" * 10_000)
    for url in ("/", f"/reviews/{review.pk}/"):
        answer = client.get(url)
        assert b"<script>" not in answer.content
        assert "script-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.django_db
def test_a_visitor_is_offered_nothing_and_refused_politely(client):
    review = make(1)
    page = client.get(f"/reviews/{review.pk}/").content.decode()
    assert "New test" not in page
    assert "Lock</button>" not in page
    assert client.post(f"/reviews/{review.pk}/lock/").url.startswith("/login/")
    client.force_login(User.objects.create_user("someone"))
    answer = client.post(f"/reviews/{review.pk}/lock/")
    assert answer.status_code == 403
    assert b"Only reviewers" in answer.content


def test_a_reviewer_locks_and_another_is_told_by_whom(client, reviewer):
    review = make(1)
    client.post(f"/reviews/{review.pk}/lock/")
    review.refresh_from_db()
    assert review.locked_by.username == "rev"
    review.locked_by = Person.objects.create(username="eve", display_name="Eve")
    review.save()
    assert b"Eve was faster" in client.post(f"/reviews/{review.pk}/lock/", follow=True).content
    assert b"Eve holds the lock. Staff" in client.post(f"/reviews/{review.pk}/unlock/", follow=True).content


def test_a_reviewer_launches_tests_on_substrates(client, reviewer):
    review = make(1)
    page = client.post(f"/reviews/{review.pk}/test-runs/", {"substrates": ["lxc", "aws"]}, follow=True)
    assert b"Launched on lxc, aws" in page.content
    assert sorted(review.test_runs.values_list("substrate__name", flat=True)) == ["aws", "lxc"]
    again = client.post(f"/reviews/{review.pk}/test-runs/", {"substrates": ["lxc"]}, follow=True)
    assert b"Already under way on lxc" in again.content
    assert b"tick at least one" in client.post(f"/reviews/{review.pk}/test-runs/", follow=True).content


def test_the_review_page_costs_ten_queries_at_most(client, reviewer, django_assert_max_num_queries):
    review = make(1)
    client.post(f"/reviews/{review.pk}/test-runs/", {"substrates": ["all"]})
    with django_assert_max_num_queries(10):
        page = client.get(f"/reviews/{review.pk}/").content.decode()
    assert "A reviewer acts next." in page


@pytest.mark.django_db
def test_old_paths_lead_to_the_new(client):
    assert client.get("/review/7").url == "/reviews/7/"
    assert client.get("/reviews/7/").status_code == 404
