"""Pages of a list that may be longer than anybody pages through."""

import pytest
from django.contrib.auth.models import Group

from core.pagination import BoundedPaginator

pytestmark = pytest.mark.django_db


@pytest.fixture
def groups():
    Group.objects.all().delete()
    Group.objects.bulk_create(Group(name=f"group {number}") for number in range(5))
    return Group.objects.order_by("pk")


def test_counting_ends_at_the_limit(groups, monkeypatch):
    monkeypatch.setattr(BoundedPaginator, "limit", 3)
    paginator = BoundedPaginator(groups, 2)
    assert (paginator.count, paginator.num_pages, paginator.has_more) == (3, 2, True)


def test_the_last_page_ends_at_the_limit(groups, monkeypatch):
    monkeypatch.setattr(BoundedPaginator, "limit", 3)
    assert len(BoundedPaginator(groups, 2).page(2).object_list) == 1


def test_what_fits_is_all_there_is(groups):
    paginator = BoundedPaginator(groups, 2)
    assert (paginator.count, paginator.has_more) == (5, False)


def test_a_known_count_costs_no_query(groups, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert BoundedPaginator(groups, 2, known_count=5).num_pages == 3


@pytest.mark.parametrize(("asked", "number"), [("2", 2), ("x", 1), ("", 1), ("²", 1), ("99", 3), ("9" * 5000, 1)])
def test_any_number_gives_a_page(groups, asked, number):
    assert BoundedPaginator(groups, 2).get_page(asked).number == number
