"""A list is read so that nothing falls between two of its pages (docs/specification.md, section 4)."""

import json
from urllib.parse import urlencode

import pytest

from integrations.launchpad.client import get_launchpad
from integrations.launchpad.errors import TemporaryError
from integrations.launchpad.importing import import_source
from reviews.models import Review, Source


class List:
    """A list of bug tasks in batches of two, which a test can change between two requests."""

    def __init__(self, launchpad, numbers):
        self.launchpad, self.numbers, self.hidden = launchpad, list(numbers), set()
        self.starts, self.sizes, self.before = [], [], {}
        self.total = lambda: len(self.numbers)
        self.largest = 2
        launchpad.answers["/devel/charms"] = self.answer

    def answer(self, request):
        start, size = (int(request["parameters"].get(name, 0)) for name in ("ws.start", "ws.size"))
        self.before.pop(len(self.starts), lambda: None)()
        self.starts.append(start)
        self.sizes.append(size)
        size = min(size, self.largest)
        page = {
            "start": start,
            "total_size": self.total(),
            "entries": [
                self.launchpad.bug(number) for number in self.numbers[start : start + size] if number not in self.hidden
            ],
        }
        if start + size < len(self.numbers):
            following = {**request["parameters"], "ws.start": start + size}
            page["next_collection_link"] = f"{self.launchpad.root}charms?{urlencode(following)}"
        return 200, {"Content-Type": "application/json"}, json.dumps(page).encode()


@pytest.fixture
def bug_list(launchpad):
    return List(launchpad, [1, 2, 3, 4])


def imported():
    report = import_source(Source.objects.get(name="charms"))
    numbers = sorted(int(url.rpartition("/")[2]) for url in Review.objects.values_list("api_url", flat=True))
    return report, numbers


def test_a_page_without_visible_entries_does_not_end_a_list(bug_list):
    bug_list.numbers, bug_list.hidden = [1, 2, 8, 9, 3, 4], {8, 9}
    bug_list.total = lambda: 4
    report, numbers = imported()
    assert (report.ok, numbers, bug_list.starts) == (True, [1, 2, 3, 4], [0, 2, 4])


def test_an_item_that_leaves_between_two_pages_hides_no_other(bug_list):
    bug_list.before[1] = lambda: bug_list.numbers.remove(1)
    report, numbers = imported()
    assert (report.ok, report.failed, numbers) == (True, 0, [1, 2, 3, 4])
    assert report.seen == 4  # what was read twice counts once


def test_an_item_that_leaves_is_noticed_though_only_one_page_has_the_total(bug_list):
    totals = iter([4, None, 3, None])
    bug_list.total = lambda: next(totals)
    bug_list.before[1] = lambda: bug_list.numbers.remove(1)
    assert imported()[1] == [1, 2, 3, 4]


def test_a_list_that_changes_each_time_it_is_read_keeps_its_cursor(bug_list):
    bug_list.numbers = list(range(1, 10))
    for request in range(1, 30):
        bug_list.before[request] = lambda: bug_list.numbers and bug_list.numbers.pop(0)
    report, _ = imported()
    assert "the list changed each time it was read" in report.problems[-1]
    assert Source.objects.get(name="charms").cursor is None


@pytest.mark.parametrize("total", [4, {"total_size": 4}, None, "many", -1])
def test_the_total_may_be_a_number_an_object_or_absent(bug_list, total):
    bug_list.total = lambda: total
    report, numbers = imported()
    assert (report.ok, report.failed, numbers, len(bug_list.starts)) == (True, 0, [1, 2, 3, 4], 2)


def test_entries_that_nobody_shows_us_are_looked_for_once_and_then_no_more(bug_list):
    bug_list.hidden = {2}
    report, numbers = imported()
    assert (report.ok, report.failed, numbers) == (True, 0, [1, 3, 4])
    assert len(bug_list.starts) == 4
    imported()
    assert len(bug_list.starts) == 4 + 2


def test_what_a_list_does_not_show_is_counted(launchpad, bug_list):
    bug_list.hidden = {2}
    collection = get_launchpad().collection("charms")
    assert len(collection.entries()) == 3
    assert (collection.missing, collection.is_moving) == (1, False)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_list_that_takes_too_long_is_read_in_smaller_batches(launchpad, bug_list, status):
    bug_list.largest = 300

    def answer(request):
        if int(request["parameters"]["ws.size"]) > 20:
            return status, {}, b""
        return bug_list.answer(request)

    launchpad.answers["/devel/charms"] = answer
    report, numbers = imported()
    assert (report.ok, numbers, bug_list.sizes) == (True, [1, 2, 3, 4], [20])


def test_a_batch_size_that_works_is_kept_for_the_next_import(launchpad, bug_list):
    asked = []

    def answer(request):
        asked.append(int(request["parameters"]["ws.size"]))
        return bug_list.answer(request) if asked[-1] <= 75 else (504, {}, b"")

    launchpad.answers["/devel/charms"] = answer
    imported()
    imported()
    assert asked == [300, 75, 75, 75, 75]


def test_after_a_while_the_largest_batches_are_tried_again(launchpad, bug_list, monkeypatch):
    monkeypatch.setattr("integrations.launchpad.paging.KEPT_SECONDS", 0)
    bug_list.largest = 300
    is_slow = iter([True, False, False])
    launchpad.answers["/devel/charms"] = lambda request: (504, {}, b"") if next(is_slow) else bug_list.answer(request)
    imported()
    imported()
    assert bug_list.sizes == [75, 300]


def test_a_page_in_the_middle_that_takes_too_long_is_asked_for_in_smaller_batches(launchpad, bug_list):
    bug_list.largest, bug_list.numbers = 300, range(1, 331)

    def answer(request):
        if (request["parameters"].get("ws.start"), request["parameters"]["ws.size"]) == ("300", "300"):
            return 504, {}, b""
        return bug_list.answer(request)

    launchpad.answers["/devel/charms"] = answer
    assert len(get_launchpad().entries("charms")) == 330
    assert bug_list.starts == [0, 300]
    assert bug_list.sizes == [300, 75]


def test_a_launchpad_that_is_down_is_not_asked_for_less(launchpad, bug_list):
    launchpad.answers = dict.fromkeys(["/devel/charms", "/devel/"], (503, {}, b""))
    report, _ = imported()
    assert report.problems[-1] == "charms: Launchpad answered 503."
    assert {asked["parameters"].get("ws.size") for asked in launchpad.asked if asked["path"] == "/devel/charms"} == {
        "300"
    }


def test_a_list_that_never_answers_is_an_error(launchpad, bug_list):
    launchpad.answers["/devel/charms"] = (504, {}, b"")
    with pytest.raises(TemporaryError, match="answered 504"):
        get_launchpad().entries("charms")


def test_a_list_without_end_is_left(launchpad, monkeypatch):
    monkeypatch.setattr("integrations.launchpad.paging.MAX_ENTRIES", 3)

    def answer(request):
        start = int(request["parameters"].get("ws.start", 0))
        page = {
            "entries": [{"self_link": f"x{start}"}],
            "next_collection_link": f"{launchpad.root}x?ws.start={start + 1}",
        }
        return 200, {}, json.dumps(page).encode()

    launchpad.answers["/devel/x"] = answer
    with pytest.raises(TemporaryError, match="more than 3 entries"):
        get_launchpad().entries("x")


def test_an_answer_that_is_too_large_is_asked_for_in_smaller_batches(launchpad, bug_list, monkeypatch):
    bug_list.numbers, bug_list.largest = range(100), 300
    monkeypatch.setattr("integrations.launchpad.client.MAX_BYTES", 30_000)
    assert len(get_launchpad().entries("charms")) == 100
    assert bug_list.sizes[:2] == [300, 75]


@pytest.mark.parametrize(
    "change", [{"target": "other"}, {"excluded_tags": ["x"]}, {"kind": "project"}, {"distribution": "ubuntu"}]
)
def test_a_source_that_holds_something_else_is_read_from_the_start(launchpad, bug_list, change):
    imported()
    Source.objects.filter(name="charms").update(**change)
    launchpad.answers["/devel/other"] = launchpad.answers["/devel/charms"]
    imported()
    before, after = [asked for asked in launchpad.asked if asked["path"] in ("/devel/charms", "/devel/other")][-2:]
    assert "modified_since" not in before["parameters"]
    assert "modified_since" not in after["parameters"]


def test_a_source_that_is_as_it_was_is_read_from_its_cursor_on(launchpad, bug_list):
    imported()
    imported()
    assert (
        "modified_since" in [asked for asked in launchpad.asked if asked["path"] == "/devel/charms"][-1]["parameters"]
    )


def test_a_cursor_in_the_future_is_not_believed(launchpad, bug_list, settings):
    imported()
    source = Source.objects.get(name="charms")
    Source.objects.filter(pk=source.pk).update(cursor="2999-01-01T00:00:00Z")
    report, _ = imported()
    assert "lie in the future" in report.problems[0]
    assert Source.objects.get(name="charms").cursor == report.started_at
