"""A real browser (Debian's chromium) on a real server. Without chromium or axe-core these tests are left out, in words.

page             a desktop window; ``phone``, ``dark_page``, ``page_without_script`` are other readers' windows
queue            the server: ``queue.url``, ``queue.log_in(page, user)``
reviewer         somebody who may lock and test
accessible(page) axe-core finds nothing against WCAG 2.2 A and AA
overflow(page)   by how many pixels the page is wider than its window
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect, sync_playwright

from accounts.models import Person, User
from reviewqueue.celery import app
from reviews.models import Review

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
AXE = Path(django_settings.BASE_DIR) / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WAIT = 120_000  # milliseconds; only what is broken takes as long
expect.set_options(timeout=WAIT)
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@dataclass
class Queue:
    """The server under test."""

    url: str

    def log_in(self, page: Page, user: User) -> None:
        """Give the window the session that a login would; the login page has tests of its own."""
        client = Client()
        client.force_login(user)
        name = django_settings.SESSION_COOKIE_NAME
        page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": self.url}])


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One chromium for this folder: the tests of others must not find its event loop running."""
    if not CHROMIUM:
        pytest.skip("browser tests need chromium: apt-get install chromium, or name it by CHROMIUM")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop in the thread of the test
    try:
        with sync_playwright() as playwright:
            sandboxed = [] if os.geteuid() else ["--no-sandbox"]
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS + sandboxed, timeout=WAIT)
            yield chromium
            chromium.close()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def queue(live_server, settings) -> Iterator[Queue]:
    """The server; Celery's tasks run at once, where they are asked for."""
    settings.BASE_URL = live_server.url
    settings.ALLOWED_HOSTS = ["*"]
    eager, app.conf.task_always_eager = app.conf.task_always_eager, True
    yield Queue(live_server.url)
    app.conf.task_always_eager = eager


@pytest.fixture
def window(browser, queue) -> Iterator[Callable[..., Page]]:
    """Opens windows; at the end none of them may have reported an error (a blocked script or style, a broken link)."""
    contexts, complaints = [], []

    def open_window(**options) -> Page:
        options = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light", **options}
        context = browser.new_context(base_url=queue.url, **options)
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def page(window) -> Page:
    return window()


@pytest.fixture
def dark_page(window) -> Page:
    return window(color_scheme="dark")


@pytest.fixture
def phone(window) -> Page:
    return window(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)


@pytest.fixture
def page_without_script(window) -> Page:
    return window(java_script_enabled=False)


@pytest.fixture
def reviewer(queue) -> User:
    person = Person.objects.create(username="marta-k", display_name="Marta K")
    user = User.objects.create_user("marta-k", password="correct horse", person=person)
    user.groups.add(Group.objects.get_or_create(name="reviewers")[0])
    return user


@pytest.fixture
def make_review(queue) -> Callable[..., Review]:
    """Makes a review; ``days`` is how long ago its last activity was."""

    def make(title: str = "An item", *, days: float = 1, **facts) -> Review:
        number = Review.objects.count() + 1
        owner, _ = Person.objects.get_or_create(username="bjorn", defaults={"display_name": "Björn"})
        then = timezone.now() - timedelta(days=days)
        facts = {"kind": "update", "state": "pending", "owner": owner, "revision": "1", **facts}
        return Review.objects.create(
            title=title, url=f"https://code.launchpad.net/{number}", api_url=f"https://api/{number}",
            test_url="lp:item", created_at=then, updated_at=then, trusted=True, **facts,
        )  # fmt: skip

    return make


@pytest.fixture
def accessible() -> Callable[[Page], None]:
    if not AXE.exists():
        pytest.skip("accessibility is checked by axe-core: npm ci")

    def check(page: Page) -> None:
        page.evaluate(AXE.read_text())
        report = page.evaluate("tags => axe.run(document, {runOnly: tags})", STANDARDS)
        found = [
            f"{problem['id']} ({problem['help']}): {problem['nodes'][0]['html'][:200]} {problem['nodes'][0]['any'][:1]}"
            for problem in report["violations"]
        ]
        assert not found, "\n".join(found)

    return check


@pytest.fixture
def overflow() -> Callable[[Page], int]:
    return lambda page: page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
