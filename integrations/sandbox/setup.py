"""The first look: what ``runqueue`` sets up when neither a Launchpad nor a Jenkins is configured.

Everything of it lies in ``var/sandbox``, so that a real queue started later begins empty.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from launchpadlib.credentials import AccessToken, Credentials

from accounts.models import Person, User
from integrations.launchpad.client import APPLICATION
from integrations.launchpad.credentials import save
from integrations.notifications.models import Preferences
from integrations.sandbox import GUI_API_TOKEN, GUI_JOB, GUI_JOB_TOKEN, HELPERS_JOB
from integrations.sandbox.data import (
    GUI_CONTRIBUTORS,
    GUI_TEAM,
    HELPER_CONTRIBUTORS,
    REVIEWERS,
    SUBMITTERS,
    TEAM,
)
from integrations.sandbox.jenkins import API_TOKEN, TOKEN, USER, path_of
from integrations.sandbox.launchpad import ACCESS_TOKEN
from reviews.models import Source
from testing.models import Job, PlanRow, Server, Substrate

FLAG = "REVIEW_QUEUE_SANDBOX"
STAFF, REVIEWER, SUBMITTER = "admin", "marta-k", "bjorn"
ACCOUNTS = {STAFF: "everything, the admin too", REVIEWER: "lock and test", SUBMITTER: "read"}
CLASSIC_SOURCES = ("charmers", "charms")  # which every queue has, switched off
# Besides those: two teams that work in other ways, and items from anywhere that the first team was asked to review.
SOURCES: tuple[dict[str, Any], ...] = (
    {
        "name": "charmers-asked", "kind": Source.Kind.REQUESTED_REVIEWS, "target": TEAM,
        "starts_tests": Source.StartsTests.NOBODY,
    },
    {
        "name": "juju-gui", "kind": Source.Kind.PROJECT, "target": "juju-gui",
        "starts_tests": Source.StartsTests.TRUSTED, "trusted_teams": [GUI_CONTRIBUTORS], "reviewer_teams": [GUI_TEAM],
        "comments": Source.Comments.ON, "vote_policy": Source.VotePolicy.FAILURES,
    },
    {
        "name": "charm-helpers", "kind": Source.Kind.GIT_REPOSITORY,
        "target": f"~{TEAM}/charm-helpers/+git/charm-helpers", "starts_tests": Source.StartsTests.TRUSTED,
        "trusted_teams": [HELPER_CONTRIBUTORS], "comments": Source.Comments.ON,
        "vote_policy": Source.VotePolicy.BOTH, "status_reports": True, "tests_targets": True,
    },
)  # fmt: skip
BROWSERS = ("firefox", "chrome")  # substrates of the second team
CREDENTIALS = "lp-creds"
REQUESTS_PER_MINUTE = 1200  # to a Launchpad of one's own; all of it is known and told within the first minutes
PORTS = (8085, 8086, 8087)  # of the Launchpad, the Jenkins, the second Jenkins
TIMEOUT = 40  # seconds until a build of the sandbox, which takes ten, counts as lost


@dataclass(frozen=True)
class Account:
    """An account to log in with, and what it may do, in words."""

    name: str
    password: str
    rights: str


def is_wanted() -> bool:
    """Whether neither a Launchpad nor a Jenkins is configured."""
    return not any(os.environ.get(name) for name in ("LAUNCHPAD_SERVICE_ROOT", "JENKINS_JOB_URL"))


def is_running(var_dir: Path) -> bool:
    """Whether ``runqueue`` shows the sandbox from this folder now: something listens where its Launchpad would."""
    ports = var_dir / "sandbox" / "ports.json"
    if not ports.exists():
        return False
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", json.loads(ports.read_text())[0])) == 0


def environment(var_dir: Path, base_url: str) -> dict[str, str]:
    """The environment of a queue that works with the sandbox; its ports stay the same from start to start.

    ``base_url`` is where its pages are, unless BASE_URL says something else.
    """
    folder = var_dir / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    launchpad, jenkins, second_jenkins = _ports(folder / "ports.json")
    return os.environ | {
        FLAG: f"{launchpad} {jenkins} {second_jenkins}",
        "VAR_DIR": str(folder),
        "LAUNCHPAD_SERVICE_ROOT": f"http://127.0.0.1:{launchpad}/",
        "LAUNCHPAD_CREDENTIALS_FILE": os.environ.get("LAUNCHPAD_CREDENTIALS_FILE") or str(folder / CREDENTIALS),
        "LAUNCHPAD_REQUESTS_PER_MINUTE": os.environ.get("LAUNCHPAD_REQUESTS_PER_MINUTE") or str(REQUESTS_PER_MINUTE),
        "JENKINS_JOB_URL": f"http://127.0.0.1:{jenkins}/job/charm-test",
        "JENKINS_TOKEN": TOKEN,
        "TESTING_TIMEOUT": os.environ.get("TESTING_TIMEOUT") or str(TIMEOUT),
        "BASE_URL": os.environ.get("BASE_URL") or base_url,
    }


def prepare(folder: Path) -> list[Account]:
    """Switch the sources on, plan their tests, log in to Launchpad, and make an account of each sort.

    At a later start what staff changed stays as it is. Has to be called in ``environment``.
    """
    if not Source.objects.filter(name__in=[source["name"] for source in SOURCES]).exists():
        Source.objects.filter(name__in=CLASSIC_SOURCES).update(active=True)
        sources = {source["name"]: Source.objects.create(**source) for source in SOURCES}
        _, jenkins, second_jenkins = os.environ[FLAG].split()
        _plan_tests(sources, f"http://127.0.0.1:{jenkins}/", f"http://127.0.0.1:{second_jenkins}/")
    _log_in(folder / CREDENTIALS)
    passwords = _passwords(folder / "accounts.json")
    return [_account(name, passwords[name], rights) for name, rights in ACCOUNTS.items()]


def _plan_tests(sources: dict[str, Source], jenkins: str, second_jenkins: str) -> None:
    """Charms are tested by the environment's job on lxc and aws, the others by their own jobs; the GUI in browsers."""
    first = Server.objects.create(name="charms-ci", url=jenkins, user=USER, api_token=API_TOKEN)
    second = Server.objects.create(name="gui-ci", url=second_jenkins, user=USER, api_token=GUI_API_TOKEN)
    helpers = Job.objects.create(name="helpers", server=first, path=path_of(*HELPERS_JOB), token=TOKEN)
    gui = Job.objects.create(name="gui", server=second, path=path_of(*GUI_JOB), token=GUI_JOB_TOKEN)
    substrates = {substrate.name: substrate for substrate in Substrate.objects.filter(name__in=("lxc", "aws"))}
    for order, name in enumerate(BROWSERS, start=10):
        substrates[name] = Substrate.objects.create(name=name, order=order)
    PlanRow.objects.create(substrate=substrates["aws"])
    for name, job, defaults in (("charm-helpers", helpers, ("lxc",)), ("juju-gui", gui, BROWSERS)):
        PlanRow.objects.create(source=sources[name], job=job, default=False)
        for substrate in defaults:
            # What fails in Chrome alone is worth knowing, and says nothing against a change.
            counts = substrate != "chrome"
            PlanRow.objects.create(source=sources[name], substrate=substrates[substrate], job=job, counts=counts)


def _log_in(path: Path) -> None:
    """Credentials of the sandbox's account, unless somebody has logged in already: verdicts are posted with them."""
    if path.exists() or path != settings.LAUNCHPAD_CREDENTIALS_FILE:
        return
    credentials = Credentials(APPLICATION)
    credentials.access_token = AccessToken(ACCESS_TOKEN, "s3cret")
    save(credentials, path)


def _account(name: str, password: str, rights: str) -> Account:
    display_name = (REVIEWERS | SUBMITTERS).get(name, name)
    person, _ = Person.objects.get_or_create(username=name, defaults={"display_name": display_name})
    user, is_new = User.objects.get_or_create(
        username=name, defaults={"person": person, "email": f"{name}@example.com"}
    )
    if is_new:  # mails land in a folder, which the admin shows
        chosen = dict.fromkeys(("tests_failed", "reviewed", "my_turn", "locked_changed", "review_requested"), True)
        Preferences.objects.create(user=user, **chosen)
    user.is_staff = user.is_superuser = name == STAFF
    if not user.check_password(password):
        user.set_password(password)
    user.save()
    if name == REVIEWER:
        user.groups.add(Group.objects.get_or_create(name="reviewers")[0])
    return Account(name, password, rights)


def wait_for_port(port: int, seconds: float = 20) -> None:
    """Wait until something listens on a port of this machine, or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


def _passwords(path: Path) -> dict[str, str]:
    """Random ones, kept where only the person who started the queue can read them."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if set(ACCOUNTS) - set(known):
        known = {name: secrets.token_urlsafe(9) for name in ACCOUNTS}
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(known, file)
    return known


def _ports(path: Path) -> list[int]:
    """Items are known by their URL, and that holds the port: the ports of the last time, else the usual, else free."""
    known: list[int] = json.loads(path.read_text()) if path.exists() else []
    if len(known) < len(PORTS):  # a first start, or one after an upgrade that added a server
        known += [_free(port) for port in PORTS[len(known) :]]
        path.write_text(json.dumps(known))
    return known


def _free(port: int) -> int:
    """The port, or any free one when it is taken."""
    for candidate in (port, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port")
