"""Requests to Launchpad: authorised, bounded, and only below its service root."""

import threading

import pytest
from launchpadlib.credentials import AccessToken, Credentials

from integrations.launchpad.client import FETCHERS, MAX_FAILURES, MAX_REDIRECTS, get_launchpad
from integrations.launchpad.credentials import save
from integrations.launchpad.errors import (
    ConfigurationError,
    InvalidEntry,
    LaunchpadError,
    NotAccessible,
    Refused,
    TemporaryError,
    TooMuchAsked,
)

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def logged_in(launchpad, settings):
    credentials = Credentials("review-queue")
    credentials.access_token = AccessToken("key", "s3cret")
    save(credentials, settings.LAUNCHPAD_CREDENTIALS_FILE)
    return launchpad


def test_an_entry_is_read_by_its_path_or_its_link(launchpad):
    launchpad.put("~ada", {"name": "ada"})
    client = get_launchpad()
    assert (
        client.get("~ada") == client.get(launchpad.root + "~ada") == {"name": "ada", "self_link": client.root + "~ada"}
    )
    assert client.requests == 2


def test_parameters_are_sent_as_launchpad_wants_them(launchpad):
    launchpad.collection("charms", [])
    get_launchpad().get("charms", ws_op="searchTasks", ws_size=3, status=["New", "Won't Fix"])
    assert launchpad.asked[0]["parameters"] == {
        "ws.op": "searchTasks",
        "ws.size": "3",
        "status": '["New", "Won\'t Fix"]',
    }


def test_requests_carry_the_credentials(logged_in):
    logged_in.put("~ada", {})
    get_launchpad().get("~ada")
    header = logged_in.asked[0]["headers"]["Authorization"]
    assert 'oauth_token="key"' in header
    assert 'oauth_signature="%26s3cret"' in header


def test_without_a_credentials_file_requests_are_anonymous(launchpad):
    launchpad.put("~ada", {})
    client = get_launchpad()
    client.get("~ada")
    assert client.anonymous
    assert client.me() == ""
    header = launchpad.asked[0]["headers"]["Authorization"]
    assert 'oauth_consumer_key="review-queue"' in header
    assert "oauth_token=" not in header


def test_new_credentials_are_used_at_once(launchpad, settings):
    before = get_launchpad()
    assert get_launchpad() is before
    credentials = Credentials("review-queue")
    credentials.access_token = AccessToken("key", "s3cret")
    save(credentials, settings.LAUNCHPAD_CREDENTIALS_FILE)
    assert not get_launchpad().anonymous


@pytest.mark.parametrize("content", ["", "not an ini file", "[1]\nconsumer_key = x\n", "\0\1"])
def test_a_credentials_file_that_cannot_be_read_says_what_to_do(launchpad, settings, content):
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(content)
    with pytest.raises(ConfigurationError, match="setup_launchpad_credentials"):
        get_launchpad()


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_is_refused_or_gone_is_not_accessible(launchpad, status):
    launchpad.answers["/devel/x"] = (status, {}, b"")
    with pytest.raises(NotAccessible) as caught:
        get_launchpad().get("x")
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, {}, b""), "answered 500"), ((304, {}, b""), "answered 304"), ((204, {}, b""), "answered 204"),
        ((200, {}, b"<html>"), "not JSON"), ((200, {}, b"[1]"), "not an entry"), ((200, {}, b""), "not JSON"),
        ((200, {}, b"[" * 100_000), "not JSON"), ((200, {}, b"\xff\xfe"), "not JSON"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_may_be_over_later(launchpad, answer, words):
    launchpad.answers["/devel/x"] = answer
    with pytest.raises(TemporaryError, match=words):
        get_launchpad().get("x")


@pytest.mark.parametrize("status", [502, 503])
def test_a_busy_launchpad_is_asked_once_more(launchpad, status):
    answers = iter([(status, {}, b""), (200, JSON, b"{}")])
    launchpad.answers["/devel/x"] = lambda request: next(answers)
    client = get_launchpad()
    assert client.get("x") == {}
    assert client.requests == 2


def test_a_launchpad_that_stays_busy_is_asked_twice(launchpad):
    launchpad.answers["/devel/x"] = (503, {}, b"")
    with pytest.raises(TooMuchAsked, match="503"):
        get_launchpad().get("x")
    assert len(launchpad.asked) == 2


def test_an_answer_that_is_too_large_is_not_taken(launchpad, monkeypatch):
    monkeypatch.setattr("integrations.launchpad.client.MAX_BYTES", 100)
    launchpad.put("x", {"content": "y" * 100})
    with pytest.raises(TooMuchAsked, match="too large"):
        get_launchpad().get("x")


def test_a_launchpad_whose_name_is_not_known_says_which_setting(settings, tmp_path):
    settings.LAUNCHPAD_SERVICE_ROOT, settings.LAUNCHPAD_CREDENTIALS_FILE = "http://x.invalid/", tmp_path / "none"
    with pytest.raises(TemporaryError, match=r"not known.*LAUNCHPAD_SERVICE_ROOT"):
        get_launchpad().get("x")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("absolute", [True, False])
def test_redirects_below_the_service_root_are_followed_with_the_credentials(logged_in, status, absolute):
    logged_in.put("~new", {"name": "new"})
    location = logged_in.root + "~new" if absolute else "/devel/~new"
    logged_in.answers["/devel/~old"] = (status, {"Location": location}, b"")
    assert get_launchpad().get("~old")["name"] == "new"
    assert 'oauth_token="key"' in logged_in.asked[-1]["headers"]["Authorization"]


@pytest.mark.parametrize(
    "location",
    ["{other}devel/x", "{url}elsewhere", "{url}devel/../x", "{url}devel/%2e%2e/x", "file:///etc/passwd", "//[", ""],
)
def test_redirects_to_elsewhere_are_not_followed(logged_in, jenkins, location):
    location = location.format(other=jenkins.url, url=logged_in.url)
    logged_in.answers["/devel/x"] = (302, {"Location": location}, b"")
    with pytest.raises(LaunchpadError, match="redirected"):
        get_launchpad().get("x")
    assert not jenkins.asked
    assert {asked["path"] for asked in logged_in.asked} == {"/devel/x"}


def test_redirects_without_end_are_left(launchpad):
    launchpad.answers["/devel/x"] = (302, {"Location": launchpad.root + "x"}, b"")
    with pytest.raises(LaunchpadError, match="redirected too often"):
        get_launchpad().get("x")
    assert len(launchpad.asked) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "link", ["http://169.254.169.254/", "{url}x", "{root}../x", "{root}%2e%2e/x", "{root}a/./b", "{root}a\\..\\..\\x"]
)
def test_links_to_elsewhere_are_not_followed(launchpad, link):
    with pytest.raises(InvalidEntry, match="outside of Launchpad"):
        get_launchpad().get(link.format(url=launchpad.url, root=launchpad.root))
    assert not launchpad.asked


def test_many_are_asked_at_once_and_each_answer_finds_its_path(launchpad):
    waiting = threading.Barrier(FETCHERS, timeout=60)

    def answer(request):
        waiting.wait()  # passes only when so many requests are under way
        return 200, JSON, b'{"name": "%s"}' % request["path"].rsplit("~")[-1].encode()

    paths = [f"~person-{number}" for number in range(2 * FETCHERS)]
    launchpad.answers = {"/devel/" + path: answer for path in paths}
    answers = get_launchpad().get_many([*paths, paths[0]])
    assert {path: entry["name"] for path, entry in answers.items()} == {path: path[1:] for path in paths}
    assert len(launchpad.asked) == len(paths)


def test_of_many_each_says_what_was_wrong_with_it(launchpad):
    launchpad.put("~ada", {"name": "ada"})
    launchpad.answers["/devel/~bob"] = (404, {}, b"")
    answers = get_launchpad().get_many(["~ada", "~bob", "http://elsewhere/"])
    assert answers["~ada"]["name"] == "ada"
    assert isinstance(answers["~bob"], NotAccessible)
    assert isinstance(answers["http://elsewhere/"], InvalidEntry)


def test_of_many_no_more_are_asked_when_launchpad_is_down(launchpad):
    paths = [f"~person-{number}" for number in range(100)]
    launchpad.answers = {"/devel/" + path: (500, {}, b"") for path in paths}
    answers = get_launchpad().get_many(paths)
    assert {type(answer) for answer in answers.values()} == {TemporaryError}
    assert len(launchpad.asked) <= MAX_FAILURES + FETCHERS


def test_a_post_is_one_request_and_says_what_was_made(logged_in):
    logged_in.answers["/devel/x"] = (201, {"Location": logged_in.root + "x/comments/1"}, b"")
    response = get_launchpad().post("x", "createComment", {"content": '"hello ü"', "vote": None})
    assert response.headers["location"].endswith("x/comments/1")
    assert logged_in.asked[0]["parameters"] == {"ws.op": "createComment", "content": '"hello ü"'}


@pytest.mark.parametrize("status", [301, 302, 400, 408, 429, 500, 502, 503])
def test_a_post_is_never_sent_twice(logged_in, status):
    logged_in.answers["/devel/x"] = (status, {"Location": logged_in.root + "y"}, b"")
    with pytest.raises(LaunchpadError, match=str(status)):
        get_launchpad().post("x", "createComment", {})
    assert [asked["path"] for asked in logged_in.asked] == ["/devel/x"]


def test_what_launchpad_refuses_is_no_trouble_that_passes(logged_in):
    logged_in.answers["/devel/x"] = (400, {"content-type": "text/plain"}, b"content: too long")
    with pytest.raises(Refused, match="content: too long"):
        get_launchpad().post("x", "createComment", {})


def test_a_page_is_no_answer_to_a_post(logged_in):
    logged_in.answers["/devel/x"] = (200, {"content-TYPE": "text/html"}, b"<html>Log in")
    with pytest.raises(TemporaryError, match="did not take it"):
        get_launchpad().post("x", "createComment", {})


def test_nothing_is_posted_to_elsewhere(logged_in, jenkins):
    with pytest.raises(InvalidEntry):
        get_launchpad().post(jenkins.url, "createComment", {})
    assert not jenkins.asked


def test_who_we_are_is_asked_once(logged_in):
    logged_in.put("people/+me", {"name": "queue-bot"})
    client = get_launchpad()
    assert (client.me(), client.me()) == ("queue-bot", "queue-bot")
    assert len(logged_in.asked) == 1


def test_credentials_that_are_not_accepted_say_what_to_do(logged_in):
    logged_in.answers["/devel/people/+me"] = (401, {}, b"")
    with pytest.raises(ConfigurationError, match="setup_launchpad_credentials") as caught:
        get_launchpad().reach()
    assert caught.value.status == 401


def test_reading_goes_through_the_proxy_of_the_environment(launchpad, settings, monkeypatch):
    settings.LAUNCHPAD_SERVICE_ROOT = "http://launchpad.invalid/"
    monkeypatch.setenv("http_proxy", launchpad.url)  # a server that takes whole addresses, as a proxy does
    launchpad.put("~ada", {"name": "ada"})
    assert get_launchpad().get("~ada")["name"] == "ada"
    assert launchpad.asked[0]["headers"]["Host"] == "launchpad.invalid"


def test_posting_goes_through_the_proxy_of_the_environment(logged_in, settings, monkeypatch):
    settings.LAUNCHPAD_SERVICE_ROOT = "http://launchpad.invalid/"
    monkeypatch.setenv("http_proxy", logged_in.url)
    logged_in.answers["/devel/x"] = (201, {}, b"")
    get_launchpad().post_comment("http://launchpad.invalid/devel/x", "Passed.", "Tests", "Approve", is_bug=False)
    asked = logged_in.asked[0]
    assert asked["headers"]["Host"] == "launchpad.invalid"
    assert asked["parameters"]["vote"] == "Approve"


def test_a_redirect_of_the_proxy_is_not_followed_to_elsewhere(launchpad, jenkins, settings, monkeypatch):
    settings.LAUNCHPAD_SERVICE_ROOT = "http://launchpad.invalid/"
    monkeypatch.setenv("http_proxy", launchpad.url)
    launchpad.answers["/devel/x"] = (302, {"Location": jenkins.url}, b"")
    with pytest.raises(LaunchpadError, match="redirected"):
        get_launchpad().get("x")
    assert not jenkins.asked


def test_nothing_is_written_to_disk(launchpad, settings, tmp_path):
    settings.VAR_DIR = tmp_path / "full" / "disk"
    launchpad.put("~ada", {"name": "ada"})
    assert get_launchpad().get("~ada")["name"] == "ada"
    assert not settings.VAR_DIR.exists()
