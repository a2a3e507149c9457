"""The page of a person: what they hold, what they did, what waits for them."""

import re

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import Person, User
from reviews.models import State
from reviews.tests.factories import make_comment, make_person, make_review

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    ada = Person.objects.create(username="ada", display_name="Ada", url="https://launchpad.net/~ada")
    eve = Person.objects.create(username="eve", is_reviewer=True)
    make_review("Ada waits", owner=ada)
    make_review("Ada must answer", owner=ada, state=State.REVIEWED)
    make_comment(make_review("Ada has answered", owner=ada, state=State.FOLLOW_UP), eve)
    make_comment(make_review("Ada is done", owner=ada, state=State.MERGED), eve)
    make_review("Eve holds", owner=ada, state=State.READY, locked_by=eve, locked_at=timezone.now())
    return ada, eve


def titles(page):
    return sorted(row["title"] for row in page.context["page"].object_list)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("ada/?list=submitted", ["Ada has answered", "Ada is done", "Ada must answer", "Ada waits", "Eve holds"]),
        ("ada/?list=submitted&state=merged", ["Ada is done"]),
        ("ada/?list=reviewed", []),
        ("ada/", ["Ada must answer"]),
        ("eve/", ["Ada has answered", "Eve holds"]),
        ("eve/?list=locked", ["Eve holds"]),
        ("eve/?list=reviewed", ["Ada has answered", "Ada is done"]),
        ("eve/?list=reviewed&state=follow-up", ["Ada has answered"]),
        ("eve/?list=reviewed&state=new", []),
        ("eve/?list=nonsense&state=mended&sort=colour&page=-1", ["Ada has answered", "Eve holds"]),
    ],
)
def test_lists_and_states(client, people, path, found):
    assert titles(client.get(f"/people/{path}")) == found


def test_counts_stand_beside_the_lists(client, people):
    page = client.get("/people/eve/?list=reviewed").content.decode()
    assert 'Reviewed <span class="count">2</span>' in page
    assert 'FOLLOW UP <span class="count">1</span>' in page
    assert 'Submitted <span class="count">0</span>' in page
    assert "A reviewer: member of a reviewer team on Launchpad." in page


def test_ones_own_page_speaks_to_one(client, people):
    ada, _ = people
    user = User.objects.create_user("ada", person=ada)
    assert client.get("/me/").url == "/login/?next=/me/"
    client.force_login(user)
    page = client.get("/me/", follow=True)
    assert page.redirect_chain == [("/people/ada/", 302)]
    assert b"Needs you" in page.content
    assert b"Needs them" in client.get("/people/eve/").content
    assert b"You have nothing locked." in client.get("/people/ada/?list=locked").content


def test_an_account_without_a_person_has_a_page_too(client):
    client.force_login(User.objects.create_user("o'neil+x@example.com"))
    page = client.get("/me/", follow=True)
    assert page.status_code == 200
    assert b"Nothing waits for you." in page.content


def test_a_name_that_another_account_acts_as_is_said_and_not_taken(client, people):
    ada, _ = people
    User.objects.create_user("chief", person=ada)
    client.force_login(User.objects.create_user("ada"))
    answer = client.get("/me/")
    assert answer.status_code == 403
    assert "Another account acts as the person “ada”. Ask staff" in answer.content.decode()
    assert User.objects.get(person=ada).username == "chief"


@pytest.mark.parametrize("username", ["a b", "a/b", "ünïcødé", "<b>", "a?b#c", "%41", "a+b@c.d"])
def test_odd_names_have_pages(client, username):
    person = Person.objects.create(username=username)
    make_review("Odd", owner=person)
    link = re.search('href="([^"]*)"', client.get("/search/").context["page"].object_list[0]["submitter"])
    page = client.get(link[1])
    assert page.status_code == 200
    assert b"<b>" not in page.content


@pytest.mark.parametrize("path", ["nobody", "a%00b", "%3Cscript%3E", "x" * 3000])
def test_unknown_people_are_said_to_be(client, people, path):
    page = client.get(f"/people/{path}/")
    assert page.status_code == 404
    assert b"Person not found" in page.content
    assert b"<script>" not in page.content


def test_a_near_name_is_offered(client, people):
    assert b'href="/people/ada/"' in client.get("/people/Ada/").content


def test_the_old_path_leads_here(client, people):
    for path in ("/user/ada", "/user/ada/"):
        assert client.get(path, follow=True).redirect_chain == [("/people/ada/", 301)]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"is_superuser": True}, "administrator"),
        ({}, "Not a reviewer"),
    ],
)
def test_why_somebody_reviews(client, facts, words):
    person = Person.objects.create(username="carol")
    user = User.objects.create_user("carol", person=person, **facts)
    assert words in client.get("/people/carol/").content.decode()
    user.groups.add(Group.objects.get(name="reviewers"))
    assert "A reviewer" in client.get("/people/carol/").content.decode()


@pytest.mark.parametrize("count", [5, 150])
def test_queries_do_not_grow_with_the_lists(client, settings, django_assert_max_num_queries, count):
    # A Jenkins is configured, so no page has to look whether staff entered one.
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = "http://ci.example.com/job/charms/", "token"
    eve = Person.objects.create(username="eve", is_reviewer=True)
    ada = Person.objects.create(username="ada")
    for number in range(count):
        make_comment(make_review(f"Item {number}", owner=ada, locked_by=eve, locked_at=timezone.now()), eve)
    with django_assert_max_num_queries(8 + 4):
        assert client.get("/people/eve/?list=reviewed").status_code == 200


def test_people_are_offered_by_their_beginnings(client):
    for username, name in (("ada", "Ada Lovelace"), ("adam", ""), ("bob", "Bob Adams"), ("eve", "Eve")):
        make_review(owner=make_person(username, name))
    found = [person["username"] for person in client.get("/search/people/?q=ADA").json()["people"]]
    assert found == ["ada", "adam", "bob"]
    assert client.get("/search/people/?q=%25").json() == {"people": []}
    assert client.get("/search/people/?q=%00").json() == {"people": []}
    Person.objects.bulk_create(Person(username=f"zed{n}", is_reviewer=True) for n in range(50))
    assert len(client.get("/search/people/?q=zed").json()["people"]) == 10


@pytest.mark.parametrize(
    "query", ["ada/?list=submitted", "ada/?list=submitted&state=merged", "eve/?list=reviewed&sort=title",
              "eve/?list=locked", "eve/?list=reviewed&state=follow-up"],
)  # fmt: skip
def test_a_list_is_the_same_as_a_search(client, people, query):
    page = client.get(f"/people/{query}")
    assert page.context["search"].replace("&", "&amp;") in page.content.decode()
    assert titles(client.get(page.context["search"])) == titles(page)


def test_what_waits_for_somebody_is_no_search(client, people):
    assert b"As a search" not in client.get("/people/ada/?list=needs").content
