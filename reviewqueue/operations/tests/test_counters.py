"""Counting."""

import pytest
from django.db.models import F

from reviewqueue.operations.models import Counter

pytestmark = pytest.mark.django_db


def test_the_statement_that_counts_equals_its_query():
    Counter.objects.create(name="other", label="applied", count=7)
    for turn in range(3):
        Counter.objects.add_one("callbacks", "applied")
        by_query, made = Counter.objects.get_or_create(name="by query", label="applied", defaults={"count": 1})
        if not made:
            Counter.objects.filter(pk=by_query.pk).update(count=F("count") + 1)
        counts = dict(Counter.objects.values_list("name", "count"))
        assert counts == {"callbacks": turn + 1, "by query": turn + 1, "other": 7}


def test_a_label_that_is_too_long_is_cut():
    Counter.objects.add_one("n" * 99, "l" * 99)
    Counter.objects.add_one("n" * 99, "l" * 99)
    assert list(Counter.objects.values_list("name", "label", "count")) == [("n" * 32, "l" * 64, 2)]


def test_counting_is_one_statement(django_assert_num_queries):
    with django_assert_num_queries(2):
        Counter.objects.add_one("callbacks", "applied")
        Counter.objects.add_one("callbacks", "applied")
