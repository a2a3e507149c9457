"""The stats page says what history says, in plots and in tables."""

import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.utils import timezone

from accounts.models import Person
from reviewqueue.stats import pass_rate, run_outcomes
from reviews.models import Review, Source
from reviews.tests.factories import make_comment
from testing.models import Substrate, TestResult, TestRun

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
    assert page.content.count(b"Not enough history yet.") == 7
    assert b"<svg" not in page.content


@pytest.mark.parametrize("query", ["", "?days=30", "?days=365", "?days=nonsense", "?days=-1&days=%00"])
def test_every_plot_is_well_formed_and_has_its_table(client, settings, django_assert_max_num_queries, query):
    # A Jenkins is configured, so no page has to look whether staff entered one.
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = "http://ci.example.com/job/charms/", "token"
    now = timezone.now()
    lxc = Substrate.objects.get(name="lxc")
    for number in range(20):
        review = make(
            number, created_at=now - number * DAY, first_reviewed_at=now, updated_at=now, marks=[["lxc", "pass", True]]
        )
        make(number + 100, state="merged", created_at=now - number * DAY, closed_at=now)
        TestRun.objects.create(review=review, substrate=lxc, status="pass", finished_at=now)
    with django_assert_max_num_queries(16):
        page = client.get(f"/stats/{query}").content.decode()
    plots = [part.split("</svg>")[0] for part in page.split("<svg ")[1:]]
    assert len(plots) == 5
    for plot in plots:
        drawn = ElementTree.fromstring(f"<svg {plot}</svg>")
        assert drawn.find("title").text
        assert drawn.get("role") == ("group" if drawn.find(".//a") is not None else "img")
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


@pytest.fixture
def history():
    """Items of all sorts: submitted, reviewed, closed and tested on several days."""
    now = timezone.now()
    charms, lxc = Source.objects.get(name="charms"), Substrate.objects.get(name="lxc")
    states = ["pending", "new", "merged", "abandoned", "reviewed"]
    for number in range(25):
        state = states[number % 5]
        closed = now - (number % 7) * DAY if state in ("merged", "abandoned") else None
        review = make(
            number, source=charms, kind="update" if number % 2 else "new", state=state, closed_at=closed,
            created_at=now - (number + 8) * DAY, updated_at=now - number * DAY, turn_since=now - number * DAY,
            first_reviewed_at=now - number * DAY if number % 3 else None,
            marks=[["lxc", "fail" if number % 2 else "pass", True]], revision="r",
        )  # fmt: skip
        outcome = "fail" if number % 2 else "pass"
        run = TestRun.objects.create(review=review, substrate=lxc, revision="r", status=outcome, finished_at=now)
        TestResult.objects.create(run=run, position=0, suite="charm", test="deploy", outcome=outcome, standing="")


@pytest.mark.parametrize("days", [30, 90])
def test_every_figure_leads_to_as_many_items(client, history, days):
    page = client.get(f"/stats/?days={days}").content.decode()
    links = set(re.findall(r'<td class="number"><a href="(/search/[^"]*)">(\d+)</a>', page))
    assert len(links) > 50
    for href, count in links:
        found = client.get(unescape(href)).context["page"]
        assert len(found.object_list) == int(count), href


def test_every_bar_leads_to_items(client, history):
    page = client.get("/stats/?days=30").content.decode()
    plots = [part.split("</svg>")[0] for part in page.split("<svg ")[1:]]
    assert all('<a href="/search/' in plot for plot in plots if "<rect" in plot)


def test_the_worst_tests_lead_to_their_pages(client, history):
    TestResult.objects.filter(outcome="fail").update(standing="flaky")
    page = client.get("/stats/?days=30").content.decode()
    assert page.count('<a href="/tests/?test=deploy&amp;suite=charm">') == 2
    assert client.get("/tests/?test=deploy&suite=charm").status_code == 200
