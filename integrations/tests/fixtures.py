"""A review to test, and a Jenkins to test it on."""

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Person
from integrations.tests.scripted import ScriptedJenkins, ScriptedLaunchpad
from reviews.models import Review, Source, State
from reviews.signals import reviews_opened


@pytest.fixture
def jenkins(settings) -> Iterator[ScriptedJenkins]:
    server = ScriptedJenkins()
    settings.JENKINS_JOB_URL = server.job_url
    settings.JENKINS_TOKEN = "s3cret-job-token"
    settings.JENKINS_TIMEOUT = 60.0  # on a busy machine an answer takes its time
    yield server
    server.stop()


@pytest.fixture
def review(db) -> Review:
    """An open proposal whose default run (lxc) waits to be sent."""
    owner = Person.objects.create(username="ada", display_name="Ada")
    now = timezone.now()
    review = Review.objects.create(
        source=Source.objects.get(name="charmers"), kind="update", title="Fix <b>mysql</b>", state=State.PENDING,
        url="https://code.launchpad.net/~ada/charms/trusty/mysql/fix/+merge/1", owner=owner, created_at=now,
        updated_at=now, api_url="https://api.launchpad.net/devel/~ada/charms/trusty/mysql/fix/+merge/1",
        test_url="lp:~ada/charms/trusty/mysql/fix", revision="rev-1", trusted=True,
    )  # fmt: skip
    reviews_opened.send(Review, reviews=[review])
    return review


@pytest.fixture
def dripping() -> Iterator[Callable[[bytes], str]]:
    """The URL of a server that says some bytes, and then ten more a second, for two minutes."""
    servers, over = [], threading.Event()

    def start(beginning: bytes) -> str:
        class Drip(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):  # the client had enough, as it should
                    self.request.sendall(beginning)
                    for _ in range(1200):
                        if over.wait(0.1):
                            return
                        self.request.sendall(b"H")

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Drip)
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield start
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def launchpad(settings, tmp_path, db) -> Iterator[ScriptedLaunchpad]:
    server = ScriptedLaunchpad()
    settings.LAUNCHPAD_SERVICE_ROOT = server.url
    settings.LAUNCHPAD_CREDENTIALS_FILE = tmp_path / "lp-creds"
    settings.LAUNCHPAD_TIMEOUT = 60.0
    settings.VAR_DIR = tmp_path
    yield server
    server.stop()


@pytest.fixture
def project(launchpad) -> Callable[..., Source]:
    """A source of kind ``project``, and a way to say what it holds."""
    source = Source.objects.create(name="mysql", kind="project", target="mysql", starts_tests="everybody")

    def holds(*entries: Any) -> Source:
        launchpad.collection("mysql", list(entries))
        return source

    return holds


@pytest.fixture
def bugs(launchpad) -> Callable[..., Source]:
    """The source of kind ``distribution-bugs``, and a way to say what it holds."""

    def hold(*entries: Any) -> Source:
        launchpad.collection("charms", list(entries))
        return Source.objects.get(name="charms")

    return hold
