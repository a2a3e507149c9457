"""Nothing outside of the configured Jenkins is ever asked, whatever a callback names as its build."""

import socket
import threading
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.jenkins.backend import Jenkins
from testing.ci import BuildRef

JOB = "https://jenkins.example.com:8443/ci/job/charms/job/test"
ROOT = "https://jenkins.example.com:8443/ci/"


@pytest.fixture
def ci(settings):
    settings.JENKINS_JOB_URL, settings.JENKINS_TOKEN = JOB, "t"
    return Jenkins()


@pytest.mark.parametrize(
    "url",
    [
        ROOT + "job/charms/job/test/7/",
        ROOT + "job/charms/job/test/7",
        "https://JENKINS.example.com:8443/ci/job/charms/job/test/7/",
        ROOT + "job/caf%C3%A9/job/test/7/",
        ROOT + "job/with%20space/7/",
        ROOT + "queue/item/12/",
    ],
)
def test_what_lies_below_our_jenkins_is_ours(ci, url):
    assert ci.is_ours(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/ci/job/test/7/",
        "//jenkins.example.com:8443/ci/job/test/7/",
        "http://jenkins.example.com:8443/ci/job/test/7/",
        "https://jenkins.example.com/ci/job/test/7/",
        "https://jenkins.example.com:0/ci/job/test/7/",
        "https://jenkins.example.com:8444/ci/job/test/7/",
        "https://jenkins.example.com:84430/ci/job/test/7/",
        "https://jenkins.example.com.evil.example:8443/ci/job/test/7/",
        "https://evil.example/https://jenkins.example.com:8443/ci/job/test/7/",
        "https://jenkins.example.com:8443@evil.example/ci/job/test/7/",
        "https://evil.example@jenkins.example.com:8443/ci/job/test/7/",
        "https://evil.example\\@jenkins.example.com:8443/ci/job/test/7/",
        "https://jenkins.example.com:8443\\@evil.example/ci/job/test/7/",
        "https://evil.example#@jenkins.example.com:8443/ci/job/test/7/",
        "https://evil.example?@jenkins.example.com:8443/ci/job/test/7/",
        "https://jenkins。example。com:8443/ci/job/test/7/",
        "https://jen\u212ains.example.com:8443/ci/job/test/7/",
        "https://jenkins.example.com:8443/ci/../admin/",
        "https://jenkins.example.com:8443/ci/job/%2e%2e/%2E%2E/admin/",
        "https://jenkins.example.com:8443/ci/job/%252e%252e/%252e%252e/admin/",
        "https://jenkins.example.com:8443/ci/..;/admin/",
        "https://jenkins.example.com:8443/ci/%2e%2e%3bx=1/admin/",
        "https://jenkins.example.com:8443/ci\\..\\admin/",
        "https://jenkins.example.com:8443/ci/%5c..%5cadmin/",
        "https://jenkins.example.com:8443/cigar/job/test/7/",
        "https://jenkins.example.com:8443/other/ci/job/test/7/",
        ROOT + "job/test/doDelete?x=",
        ROOT + "job/test/7/#/",
        ROOT + "job/test/doDelete%3fx=",
        ROOT + "job/test/7/\r\nHost: evil.example",
        ROOT + "job/test/7/%0d%0aHost:%20evil.example",
        "https://jenkins.example.com\t:8443/ci/job/test/7/",
        "https://[::1]:8443/ci/job/test/7/",
        "https://[broken:8443/ci/job/test/7/",
        "file:///ci/job/test/7/",
        "gopher://jenkins.example.com:8443/ci/job/test/7/",
    ],
)
def test_what_only_looks_like_it_is_not(ci, url):
    assert not ci.is_ours(url)


PIECES = st.sampled_from(
    [
        *("https://", "http://", "jenkins.example.com", ":8443", ":443", "@", "/", "//", "\\", "..", "%2e", "%252e"),
        *("ci", "job", "7", "evil.example", "?", "#", ";", "%2f", "%5c", "\u3002", "\u212a", "[", "]", "user:pass"),
        *("\t", " "),
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
@example("https://jenkins.example.com:8443/ci/job/7")
@hypothesis_settings(max_examples=400)
def test_the_client_that_asks_reads_an_accepted_url_as_we_do(ci, url):
    if not ci.is_ours(url):
        return
    asked = urlsplit(requests.Request("GET", url).prepare().url)
    assert (asked.scheme, asked.netloc.lower()) == ("https", "jenkins.example.com:8443")
    assert asked.path.startswith("/ci/")
    assert ".." not in asked.path
    assert not asked.query


class Listener:
    """A server on another port that must never be asked."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.visits = 0
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/job/charm-test/7/"
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.visits += 1
            connection.close()


@pytest.fixture
def elsewhere():
    listener = Listener()
    yield listener
    listener.socket.close()


def test_a_build_elsewhere_is_neither_read_nor_stopped(sandbox, elsewhere):
    ci = Jenkins()
    assert ci.results(elsewhere.url) is None
    assert ci.record(BuildRef("", elsewhere.url)) is None
    assert ci.record(BuildRef(elsewhere.url.replace("job/charm-test/7", "queue/item/7"), "")) is None
    ci.cancel(BuildRef("", elsewhere.url))
    assert elsewhere.visits == 0


def test_an_answer_that_redirects_elsewhere_is_not_followed(jenkins, elsewhere):
    jenkins.answers["/job/charm-test/7/api/json"] = (302, {"Location": elsewhere.url}, b"")
    jenkins.answers["/job/charm-test/7/artifact/results.json"] = (302, {"Location": elsewhere.url}, b"")
    ci = Jenkins()
    ours = ci.job_url + "/7/"
    assert ci.results(ours) is None
    assert ci.record(BuildRef("", ours)) is None
    assert elsewhere.visits == 0


def test_only_builds_are_stopped(sandbox):
    ci = Jenkins()
    for address in ("job/charm-test/", "job/charm-test/doDelete", "manage/", ""):
        ci.cancel(BuildRef("", ci.job.root + address))
    assert not [path for method, path in sandbox.jenkins.requests if method == "POST"]
