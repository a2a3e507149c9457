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

from django.contrib.auth.models import Group

from accounts.models import Person, User
from integrations.sandbox.data import REVIEWERS, SUBMITTERS, TEAM
from integrations.sandbox.jenkins import TOKEN
from reviews.models import Source

FLAG = "REVIEW_QUEUE_SANDBOX"
STAFF, REVIEWER, SUBMITTER = "admin", "marta-k", "bjorn"
ACCOUNTS = {STAFF: "everything, the admin too", REVIEWER: "lock and test", SUBMITTER: "read"}
CLASSIC_SOURCES = ("charmers", "charms")  # which every queue has, switched off
SOURCES = (
    ("charmers-asked", Source.Kind.REQUESTED_REVIEWS, TEAM),
    ("juju-gui", Source.Kind.PROJECT, "juju-gui"),
    ("charm-helpers", Source.Kind.GIT_REPOSITORY, f"~{TEAM}/charm-helpers/+git/charm-helpers"),
)
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


def environment(var_dir: Path, port: int) -> dict[str, str]:
    """The environment of a queue that works with the sandbox; its ports stay the same from start to start."""
    folder = var_dir / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    launchpad, jenkins, second_jenkins = _ports(folder / "ports.json")
    return os.environ | {
        FLAG: f"{launchpad} {jenkins} {second_jenkins}",
        "VAR_DIR": str(folder),
        "LAUNCHPAD_SERVICE_ROOT": f"http://127.0.0.1:{launchpad}/",
        "LAUNCHPAD_CREDENTIALS_FILE": os.environ.get("LAUNCHPAD_CREDENTIALS_FILE") or str(folder / "lp-creds"),
        "JENKINS_JOB_URL": f"http://127.0.0.1:{jenkins}/job/charm-test",
        "JENKINS_TOKEN": TOKEN,
        "TESTING_TIMEOUT": os.environ.get("TESTING_TIMEOUT") or str(TIMEOUT),
        "BASE_URL": os.environ.get("BASE_URL") or f"http://127.0.0.1:{port}",
    }


def prepare(folder: Path) -> list[Account]:
    """Switch the sources on, and make an account of each sort. At a later start what staff changed stays as it is."""
    if not Source.objects.filter(name__in=[name for name, _, _ in SOURCES]).exists():
        Source.objects.filter(name__in=CLASSIC_SOURCES).update(active=True)
        for name, kind, target in SOURCES:
            Source.objects.create(name=name, kind=kind, target=target, starts_tests=Source.StartsTests.EVERYBODY)
    passwords = _passwords(folder / "accounts.json")
    return [_account(name, passwords[name], rights) for name, rights in ACCOUNTS.items()]


def _account(name: str, password: str, rights: str) -> Account:
    display_name = (REVIEWERS | SUBMITTERS).get(name, name)
    person, _ = Person.objects.get_or_create(username=name, defaults={"display_name": display_name})
    user, _ = User.objects.get_or_create(username=name, defaults={"person": person})
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
