"""*Next for me* and several processes at the same moment: nobody is given what another one was."""

import pytest

from accounts.models import User
from integrations.tests.at_once import PROCESSES, at_once
from reviews.models import Event, Review
from reviews.next_item import take_next
from reviews.tests.factories import make_person, make_review

pytestmark = pytest.mark.django_db(transaction=True)


def take(number, accounts):
    taken = take_next(User.objects.get(pk=accounts[number]))
    return taken.review.pk if taken else None


def make_accounts(count):
    people = [make_person(f"reviewer-{number}") for number in range(count)]
    return [User.objects.create_superuser(person.username, person=person).pk for person in people]


def test_reviewers_who_ask_at_once_each_get_another_item():
    items = {make_review(days=days).pk for days in range(1, PROCESSES)}
    taken = at_once(take, make_accounts(PROCESSES))
    assert {pk for pk in taken if pk} == items
    assert taken.count(None) == 1
    assert Review.objects.locked().values("locked_by").distinct().count() == len(items)


def test_one_who_presses_several_times_at_once_gets_one_item():
    for days in range(1, PROCESSES + 1):
        make_review(days=days)
    taken = at_once(take, make_accounts(1) * PROCESSES)
    assert len(set(taken)) == 1
    assert Event.objects.filter(kind=Event.Kind.LOCK).count() == 1
