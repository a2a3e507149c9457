"""What a browser is told to forbid, and that no page needs it."""

import os
import re
import secrets
import socket
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from django.conf import settings as django_settings
from django.contrib import admin
from django.utils import timezone

from accounts.models import Person, User
from reviews.models import Review


class Inline(HTMLParser):
    """Collects what a policy without 'unsafe-inline' blocks."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        data = facts.get("type") in ("application/json", "text/template")
        if tag == "style" or (tag == "script" and "src" not in facts and not data):
            self.found.append(tag)
        self.found += [name for name, value in attributes if name == "style" or name.startswith("on")]
        self.found += [value for name, value in attributes if (value or "").strip().lower().startswith("javascript:")]


def inline_in(answer):
    parser = Inline()
    parser.feed(answer.content.decode())
    return parser.found


@pytest.fixture
def boss(client, db):
    user = User.objects.create_superuser("boss")
    client.force_login(user)
    now = timezone.now()
    Review.objects.create(
        title="mysql", kind="update", state="pending", url="https://lp/1", api_url="https://api/1",
        owner=Person.objects.create(username="ada"), created_at=now, updated_at=now,
    )  # fmt: skip
    return user


def test_no_page_needs_inline_script_or_style(client, boss):
    pages = [
        "/",
        f"/reviews/{Review.objects.get().pk}/",
        "/api/docs/",
        "/nothing/",
        "/admin/",
        "/admin/password_change/",
    ]
    for model in admin.site._registry:
        url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        pages += [url, f"{url}add/"]
        row = model.objects.first()
        pages += [f"{url}{row.pk}/change/", f"{url}{row.pk}/delete/", f"{url}{row.pk}/history/"] if row else []
    found = {page: inline_in(client.get(page)) for page in pages}
    assert {page: what for page, what in found.items() if what} == {}


def test_every_answer_carries_the_policy(client, boss):
    for page in ("/", "/nothing/", "/api/docs/", "/api/docs/?script=", "/api/reviews/", "/admin/", "/admin/login/"):
        headers = client.get(page).headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        for part in ("default-src 'self'", "script-src 'self'", "style-src 'self'", "object-src 'none'"):
            assert part in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_login_never_leads_elsewhere(client, db, target):
    User.objects.create_user("ada", password="the right one")
    answer = client.post("/login/", {"username": "ada", "password": "the right one", "next": target})
    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert client.get("/login/", {"next": target})["Location"] == "/"
    assert client.post("/logout/", {"next": target})["Location"] == "/"


def test_the_old_paths_never_lead_elsewhere(client, db):
    for path in ("//evil.example/review/1", "/review/1", "//evil.example", "/admin//evil.example/"):
        answer = client.get(path)
        assert not re.match(r"^(https?:)?//", answer.headers.get("Location", "/"))


def production(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        capture_output=True, text=True, timeout=600, cwd=django_settings.BASE_DIR,
        env={name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | environment,
    )  # fmt: skip


STARTED = """
from django.conf import settings as s
from django.core.management import call_command
call_command("check", deploy=True, fail_level="WARNING")
print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS, s.SECURE_SSL_REDIRECT,
      s.SESSION_COOKIE_HTTPONLY, s.AXES_ENABLED, s.DEBUG)
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """One start as in production, behind https, with a key that begins with a dollar sign; what it said."""
    return production(
        "shell", "-v0", "-c", STARTED, SECRET_KEY="$" + "".join(chr(33 + i) for i in range(60)),
        BASE_URL="https://queue.example.com", ALLOWED_HOSTS="queue.example.com",
        VAR_DIR=str(tmp_path_factory.mktemp("var")),
    )  # fmt: skip


def test_the_deploy_check_is_clean(started):
    assert started.returncode == 0, started.stderr
    assert "no issues" in started.stdout


def test_a_key_may_begin_with_a_dollar_sign(started):
    assert started.returncode == 0, started.stderr


def test_https_settings(started):
    assert started.stdout.split()[-7:] == ["True", "True", "31536000", "True", "True", "True", "False"], started.stderr


def test_production_without_a_key_says_so(tmp_path):
    for command in ("check", "runqueue"):
        done = production(command, VAR_DIR=str(tmp_path))
        assert done.returncode == 1
        assert "SECRET_KEY is not set" in done.stderr
        assert "token_urlsafe" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_setting_of_the_wrong_form_is_named(tmp_path):
    done = production("check", DEBUG="true", TESTING_TIMEOUT="soon", VAR_DIR=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "TESTING_TIMEOUT has a value of the wrong form. docs/settings.md shows it.\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [("DATABASE_URL", "postgres://host:port/x"), ("CACHE_URL", "nonsense"), ("LOG_LEVEL", "LOUD"),
     ("SENTRY_DSN", "nonsense")],
)  # fmt: skip
def test_a_setting_that_can_not_be_used_is_named_without_a_trace(tmp_path, name, value):
    done = production("check", DEBUG="true", VAR_DIR=str(tmp_path), **{name: value})
    assert (done.returncode, done.stderr.count("\n"), done.stderr.startswith(f"{name} is no")) == (1, 1, True), done


def test_a_port_in_use_is_an_error_with_a_remedy(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = production("runqueue", "--port", port, DEBUG="true", VAR_DIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Port {port} is in use. Stop what uses it, or choose another: make run PORT=" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "key",
    [
        "short",
        "a-long-random-text",
        "k" * 60,
        "development-only-key-never-used-when-DEBUG-is-false",
        "django-insecure-q8v#x2m!t5k@d9w$z3n%b7h^c4j&f6g*r1s",
    ],
)
def test_a_key_that_can_be_guessed_is_refused_at_the_start(tmp_path, key):
    done = production("check", SECRET_KEY=key, VAR_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "SECRET_KEY can be guessed" in done.stderr
    assert key not in done.stderr


def test_the_command_that_makes_a_key_is_no_key(tmp_path):
    """Whoever copies it into a settings file gets no shell to run it."""
    command = "$(python3 -c 'import secrets; print(secrets.token_urlsafe(50))')"
    done = production("check", SECRET_KEY=command, VAR_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "SECRET_KEY is the command that makes a key" in done.stderr


def test_an_old_key_that_can_be_guessed_is_refused_as_well(tmp_path):
    keys = {"SECRET_KEY": secrets.token_urlsafe(50), "SECRET_KEY_FALLBACKS": secrets.token_urlsafe(50) + ",short"}
    done = production("check", **keys, VAR_DIR=str(tmp_path))
    assert (done.returncode, "SECRET_KEY_FALLBACKS can be guessed" in done.stderr) == (1, True)


def test_no_key_that_the_documentation_shows_is_accepted(tmp_path):
    root = django_settings.BASE_DIR
    texts = [path.read_text() for path in (root / "README.md", root / ".env.example", *(root / "docs").glob("*.md"))]
    shown = {key for text in texts for key in re.findall(r"(?m)^\s*#?\s*SECRET_KEY=([^$\s`(]+)", text)}
    for key in shown:
        assert production("check", SECRET_KEY=key, VAR_DIR=str(tmp_path)).returncode == 1
