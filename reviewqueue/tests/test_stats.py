"""The stats page says what history says, in plots and in tables."""

import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.utils import timezone

from accounts.models import Person
from reviewqueue.stats import pass_rate, run_outcomes
from reviews.models import QueueSample, Review
from reviews.tests.factories import make_comment
from testing.models import Substrate, TestRun

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday
DAY = timedelta(days=1)


def make(number, **facts):
    owner, _ = Person.objects.get_or_create(username="ada")
    facts = {"state": "pending", "kind": "new", "created_at": NOW, "updated_at": NOW, **facts}
    return Review.objects.create(title=f"{number}", url="http://x/", api_url=f"{number}", owner=owner, **facts)


def test_outcomes_by_substrate():
    lxc, aws = Substrate.objects.get(name="lxc"), Substrate.objects.get(name="aws")
    for substrate, status in ((lxc, "pass"), (lxc, "pass"), (lxc, "fail"), (aws, "error"), (aws, "canceled")):
        TestRun.objects.create(review=make(f"{TestRun.objects.count()}"), substrate=substrate, status=status,
                               finished_at=NOW)  # fmt: skip
    found = dict(run_outcomes(NOW - DAY))
    assert found["lxc"] == {"pass": 2, "fail": 1, "error": 0}
    assert (pass_rate(found["lxc"]), pass_rate(found["aws"])) == (67, 0)


def test_an_empty_queue_has_no_plots_but_words(client):
    page = client.get("/stats/")
    assert page.content.count(b"Not enough history yet.") == 6
    assert b"<svg" not in page.content


@pytest.mark.parametrize("query", ["", "?days=30", "?days=365", "?days=nonsense", "?days=-1&days=%00"])
def test_every_plot_is_well_formed_and_has_its_table(client, settings, django_assert_max_num_queries, query):
    # A Jenkins is configured, so no page has to look whether staff entered one.
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = "http://ci.example.com/job/charms/", "token"
    now = timezone.now()
    lxc = Substrate.objects.get(name="lxc")
    for number in range(20):
        review = make(number, created_at=now - number * DAY, first_reviewed_at=now, closed_at=now, updated_at=now)
        TestRun.objects.create(review=review, substrate=lxc, status="pass", finished_at=now)
        QueueSample.objects.create(at=now - number * DAY, state="new", count=number)
    with django_assert_max_num_queries(8):
        page = client.get(f"/stats/{query}").content.decode()
    plots = [part.split("</svg>")[0] for part in page.split("<svg ")[1:]]
    assert len(plots) == 5
    for plot in plots:
        drawn = ElementTree.fromstring(f"<svg {plot}</svg>")
        assert drawn.find("title").text
        assert drawn.get("role") == "img"
    assert page.count("<details>") == 5
    assert "style=" not in page
    with django_assert_max_num_queries(0):  # kept for a while
        client.get(f"/stats/{query}")


def test_the_figure_of_a_reviewer_leads_to_as_many_reviews(client):
    for number, days in enumerate((1, 20, 60)):
        make_comment(make(number), "eve", created_at=timezone.now() - days * DAY)
    page = client.get("/stats/?days=30").content.decode()
    href, count = re.search(r'<a href="(/search/[^"]*reviewer=eve[^"]*)">(\d+)</a>', page).groups()
    assert len(client.get(unescape(href)).context["page"].object_list) == int(count) == 2
