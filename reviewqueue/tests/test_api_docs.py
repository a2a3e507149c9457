"""The page that explains the REST API says what it does without JavaScript too."""

import re

import pytest

pytestmark = pytest.mark.django_db


def test_without_javascript_every_operation_is_listed_with_its_parameters(client):
    page = client.get("/api/docs/").content.decode()
    plain = re.sub(r"<[^>]+>", "", page[page.index("<noscript>") : page.index("</noscript>")])
    assert "GET /api/reviews/" in plain
    assert "POST /api/reviews/{id}/test-runs/" in plain
    assert "DELETE /api/reviews/{id}/lock/" in plain
    assert "page_size" in plain


def test_it_costs_no_query(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/api/docs/")
