"""Fetching a diff: from Launchpad and its librarian, bounded, without our credentials; what went wrong in words."""

import json

import pytest
from launchpadlib.credentials import AccessToken, Credentials

from integrations.launchpad.client import _keeps_files
from integrations.launchpad.credentials import save
from integrations.launchpad.diffs import MAX_BYTES, fetch_diff
from integrations.tests.scripted import ScriptedServer
from reviews.diffs import MAX_TEXT
from reviews.models import Diff, Review
from reviews.tests.factories import make_review

pytestmark = pytest.mark.django_db

TEXT = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n"
PATH = "~ada/charms/trusty/mysql/fix-7/+merge/7/+preview-diff/91"


@pytest.fixture
def diff(launchpad):
    """A diff that is waited for, and that Launchpad has."""
    launchpad.put(
        PATH, {"id": 91, "source_revision_id": "rev-9", "diff_text_link": f"{launchpad.root}{PATH}/diff_text"}
    )
    serve(launchpad, TEXT.encode())
    review = make_review(revision="rev-8", diff_marker=launchpad.root + PATH)
    Review.objects.update(api_url=launchpad.root + PATH.partition("/+preview-diff")[0])
    return Diff.objects.create(review=review, revision=review.revision, url=review.diff_marker)


def serve(launchpad, body, status=200, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    launchpad.answers[f"/devel/{PATH}/diff_text"] = (status, {"Content-Type": "text/x-diff", **headers}, body)


def fetched(diff):
    fetch_diff(diff.pk)
    diff.refresh_from_db()
    return diff


def test_the_text_is_kept_and_what_its_files_are(diff):
    fetched(diff)
    assert (diff.state, diff.text, diff.length, diff.is_cut) == ("ready", TEXT, len(TEXT), False)
    assert [(file["path"], file["added"], file["removed"]) for file in diff.files] == [("x", 1, 1)]


def test_a_diff_says_which_revision_it_is_of(diff):
    assert fetched(diff).revision == "rev-9"


def test_a_diff_costs_two_requests_and_its_comments_one(diff, launchpad):
    fetched(diff)
    item = PATH.partition("/+preview-diff")[0]
    assert [request["path"].partition("?")[0] for request in launchpad.asked] == [
        f"/devel/{PATH}", f"/devel/{PATH}/diff_text", f"/devel/{item}",
    ]  # fmt: skip


def test_comments_on_lines_are_there_with_the_diff(diff, launchpad):
    person = {"self_link": f"{launchpad.root}~eve", "display_name": "Eve"}
    said = [{"line_number": "4", "person": person, "text": "Why?", "date": "2026-02-01T10:00:00+00:00"}]
    launchpad.answers[f"/devel/{PATH.partition('/+preview-diff')[0]}"] = (200, {}, json.dumps(said).encode())
    fetched(diff)
    assert list(diff.review.inline_comments.values_list("diff_number", "line", "text")) == [(91, 4, "Why?")]


def test_a_diff_is_shown_though_its_comments_can_not_be_read(diff, launchpad):
    launchpad.answers[f"/devel/{PATH.partition('/+preview-diff')[0]}"] = (500, {}, b"")
    assert fetched(diff).state == "ready"


def test_a_diff_that_is_there_is_not_fetched_again(diff, launchpad):
    fetched(diff)
    before = len(launchpad.asked)
    fetched(diff)
    assert len(launchpad.asked) == before


def test_the_librarian_is_asked_without_our_credentials(diff, launchpad, settings):
    credentials = Credentials("review-queue")
    credentials.access_token = AccessToken("key", "s3cret")
    save(credentials, settings.LAUNCHPAD_CREDENTIALS_FILE)
    serve(launchpad, b"", 303, Location=f"{launchpad.url}4711/preview.diff")
    launchpad.answers["/4711/preview.diff"] = (200, {"Content-Type": "text/plain"}, TEXT.encode())
    assert fetched(diff).text == TEXT
    assert ["Authorization" in request["headers"] for request in launchpad.asked] == [True, True, False, True]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_elsewhere_is_not_followed(diff, launchpad, status):
    elsewhere = ScriptedServer()
    try:
        serve(launchpad, b"", status, Location=f"{elsewhere.url}secret")
        fetched(diff)
        assert (diff.state, diff.text, elsewhere.asked) == ("failed", "", [])
        assert diff.problem == "Launchpad redirected to somewhere else; it was not followed."
    finally:
        elsewhere.stop()


def test_a_second_redirect_is_not_followed(diff, launchpad):
    serve(launchpad, b"", 303, Location=f"{launchpad.url}4711")
    launchpad.answers["/4711"] = (303, {"Location": f"{launchpad.url}4712"}, b"")
    assert fetched(diff).problem == "Launchpad redirected too often; it was not followed further."


@pytest.mark.parametrize(
    ("place", "is_kept"),
    [
        ("https://launchpadlibrarian.net/1/preview.diff", True),
        ("https://i1.restricted.launchpadlibrarian.net/1/preview.diff?token=x", True),
        ("https://api.launchpad.net/devel/x", True),
        ("https://librarian.launchpad.net/1", True),
        ("http://launchpadlibrarian.net/1/preview.diff", False),
        ("http://api.launchpad.net/devel/x", False),
        ("https://evillaunchpadlibrarian.net/1", False),
        ("https://launchpadlibrarian.net.evil.example/1", False),
        ("https://launchpadlibrarian.net@evil.example/1", False),
        ("https://evil@launchpadlibrarian.net/1", False),
        ("https://launchpadlibrarian.net:8443/1", False),
        ("https://launchpadlibrarian.net:no/1", False),
        ("https://127.0.0.1/1", False),
        ("file:///etc/passwd", False),
        ("//evil.example/1", False),
        ("", False),
    ],
)
def test_files_are_kept_on_launchpad_and_in_its_librarian(place, is_kept):
    assert _keeps_files(place, "https://api.launchpad.net/devel/") == is_kept


def test_a_diff_address_outside_of_launchpad_is_not_asked(diff, launchpad):
    launchpad.put(PATH, {"diff_text_link": "https://evil.example/diff_text"})
    assert fetched(diff).problem == "A link points outside of Launchpad; it was not followed."


def test_a_huge_diff_is_left_after_five_megabytes_and_cut(diff, launchpad):
    line, sent = b"+" + b"y" * 99 + b"\n", []

    def pour(request):
        def pieces():
            yield b"--- a/x\n+++ b/x\n@@ -0,0 +1,500000 @@\n"
            for _ in range(500):
                sent.append(1)
                yield line * 1000

        return 200, {"Content-Type": "text/x-diff", "Content-Length": "50500038"}, pieces()

    launchpad.answers[f"/devel/{PATH}/diff_text"] = pour
    fetched(diff)
    assert (diff.state, diff.is_cut, diff.length) == ("ready", True, 50_500_038)
    assert MAX_TEXT - 200 < len(diff.text) <= MAX_TEXT
    assert MAX_BYTES // 101 - 2 < diff.files[0]["added"] < MAX_BYTES // 101 + 2
    assert len(sent) < 200


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "does not show this diff to the queue (404)"), (401, "does not show this diff to the queue (401)"),
     (500, "Launchpad answered 500."), (503, "Launchpad answered 503.")],
)  # fmt: skip
def test_what_launchpad_refuses_is_said(diff, launchpad, status, words):
    serve(launchpad, b"", status)
    fetched(diff)
    assert (diff.state, words in diff.problem) == ("failed", True)


def test_a_503_is_asked_for_once_more(diff, launchpad):
    answers = iter([(503, {}, b""), (200, {"Content-Type": "text/x-diff"}, TEXT.encode())])
    launchpad.answers[f"/devel/{PATH}/diff_text"] = lambda request: next(answers)
    assert fetched(diff).state == "ready"


def test_a_page_is_no_diff(diff, launchpad):
    launchpad.answers[f"/devel/{PATH}/diff_text"] = (200, {"Content-Type": "text/html"}, b"<h1>Log in</h1>")
    assert fetched(diff).problem == "Launchpad answered a page instead of the file."


def test_a_diff_without_a_text_says_so(diff, launchpad):
    launchpad.put(PATH, {"id": 91})
    assert fetched(diff).problem == "Launchpad does not say where the text of this diff is."


def test_a_diff_that_drips_in_ends_in_time(diff, settings, launchpad):
    settings.LAUNCHPAD_TIMEOUT = 0.3

    def drip(request):
        def pieces():
            import time

            for _ in range(20):
                time.sleep(0.1)
                yield b"+"

        return 200, {"Content-Type": "text/x-diff"}, pieces()

    launchpad.answers[f"/devel/{PATH}/diff_text"] = drip
    assert fetched(diff).problem == "Launchpad did not answer in time."


def test_what_no_database_takes_is_kept_as_a_sign(diff, launchpad):
    serve(launchpad, b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\0\n+\xff\xfe\n")
    assert fetched(diff).text == "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\u2400\n+\ufffd\ufffd\n"
