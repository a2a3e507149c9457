"""Who counts as a bot: a mark on the person, and the setting BOT_ACCOUNTS."""

import pytest

from accounts.models import Person
from accounts.signals import bot_mark_changed


@pytest.fixture
def people(db, settings):
    settings.BOT_ACCOUNTS = ["~Charm-Bot ", "", "nobody-here"]
    Person.objects.bulk_create(
        [Person(username="ada"), Person(username="charm-bot"), Person(username="janitor", is_bot=True)]
    )


def test_bots_are_the_marked_and_the_named(people):
    assert [person.username for person in Person.objects.bots()] == ["charm-bot", "janitor"]


def test_humans_are_the_others(people):
    assert [person.username for person in Person.objects.humans()] == ["ada"]


def test_a_person_says_the_same_as_the_query(people, django_assert_num_queries):
    everybody = list(Person.objects.all())
    with django_assert_num_queries(0):
        assert [person.username for person in everybody if person.counts_as_bot] == ["charm-bot", "janitor"]


@pytest.mark.parametrize("form", [{"is_bot": "on"}, {}])
def test_staff_mark_bots_and_nothing_else(client, staff, people, form):
    ada = Person.objects.get(username="ada")
    Person.objects.filter(pk=ada.pk).update(is_bot=not form)
    client.post(f"/admin/accounts/person/{ada.pk}/change/", {**form, "username": "root", "is_reviewer": "on"})
    ada.refresh_from_db()
    assert (ada.is_bot, ada.username, ada.is_reviewer) == (bool(form), "ada", False)


def test_changing_the_bot_mark_sends_a_signal(client, staff, people):
    told = []

    def receive(sender, person, **_):
        told.append((person.username, person.is_bot))

    bot_mark_changed.connect(receive)
    try:
        page = f"/admin/accounts/person/{Person.objects.get(username='ada').pk}/change/"
        for _ in range(2):
            client.post(page, {"is_bot": "on"})
    finally:
        bot_mark_changed.disconnect(receive)
    assert told == [("ada", True)]


def test_people_are_neither_added_nor_deleted_by_hand(client, staff, people):
    ada = Person.objects.get(username="ada")
    assert client.get("/admin/accounts/person/add/").status_code == 403
    assert client.post(f"/admin/accounts/person/{ada.pk}/delete/", {"post": "yes"}).status_code == 403
