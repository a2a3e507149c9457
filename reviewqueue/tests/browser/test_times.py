"""Times as a reader in another zone sees them, in a real browser."""

from datetime import UTC, datetime, timedelta

import pytest

from core import text
from reviews.models import Source

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
AGES = [
    timedelta(seconds=0), timedelta(seconds=59), timedelta(minutes=1), timedelta(minutes=59), timedelta(hours=1),
    timedelta(hours=23, minutes=59), timedelta(days=1), timedelta(days=20), timedelta(days=21), timedelta(days=59),
    timedelta(days=60), timedelta(days=729), timedelta(days=730), timedelta(days=2000),
]  # fmt: skip
ADD = """times => document.querySelector("main").append(...times.map(([when, words]) => {
  const element = document.createElement("time");
  element.className = "probe";
  element.dateTime = when;
  element.dataset.words = words;
  element.textContent = "as the server says it";
  return element;
}))"""


@pytest.fixture
def imported(queue):
    """When the dashboard says that Launchpad was read last."""
    Source.objects.create(
        name="read at nine", kind="project", target="charms", last_success_at=datetime(2026, 7, 1, 9, 5, tzinfo=UTC)
    )


def test_a_time_is_in_the_zone_of_the_reader_and_utc_on_hover(window, imported):
    page = window(timezone_id="Asia/Kolkata")
    page.goto("/")
    time = page.locator(".checked time")
    assert time.inner_text() == "2026-07-01 14:35 GMT+5:30"
    assert time.get_attribute("title") == "2026-07-01 09:05 UTC"


def test_without_script_a_time_says_that_it_is_utc(window, imported):
    page = window(timezone_id="Asia/Kolkata", java_script_enabled=False)
    page.goto("/")
    assert page.locator(".checked time").inner_text() == "2026-07-01 09:05 UTC"


def test_an_age_says_both_times_on_hover(window, make_review):
    review = make_review("Apache")
    page = window(timezone_id="America/New_York")
    page.goto(f"/reviews/{review.pk}/")
    time = page.locator("main time[data-words]").first
    utc = time.get_attribute("title")
    time.hover()
    day, clock, zone = time.get_attribute("title").removesuffix(f" ({utc})").split(" ", 2)
    assert zone.startswith("GMT-")
    then = datetime.fromisoformat(f"{day} {clock}") + timedelta(hours=int(zone.removeprefix("GMT-")))
    assert f"{then:%Y-%m-%d %H:%M:%S} UTC" == utc


def test_ages_stay_true_in_the_words_of_the_server(window):
    page = window()
    page.clock.install(time=NOW)
    page.goto("/about/")
    moments = [(NOW - each, words) for each in AGES for words in ("ago", "age")] + [
        (NOW + each + timedelta(seconds=30), "until") for each in AGES
    ]
    page.evaluate(ADD, [[f"{then:%Y-%m-%dT%H:%M:%SZ}", words] for then, words in moments])
    page.clock.run_for(61_000)
    tick = NOW + timedelta(minutes=1)
    say = {"ago": text.ago, "age": text.age, "until": text.until}
    assert page.locator("time.probe").all_inner_texts() == [say[words](then, tick) for then, words in moments]
