"""``manage.py runqueue``: everything on one machine; one Ctrl-C stops all of it."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from core.enqueue import enqueue_on_commit
from integrations.sandbox import setup as sandbox_setup
from integrations.sandbox.serving import port_number
from integrations.tasks import import_from_launchpad
from reviews.models import Source

GRACE = 10  # seconds that a process has to stop
BIND = "127.0.0.1:8000"  # where the pages are when WEB_BIND says nothing
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  (as hosts of WEB_BIND: every address of this machine)
LOCAL = (*EVERYWHERE, "127.0.0.1", "::1")


class Command(BaseCommand):
    help = "Run the queue on this machine: migrate, then web, worker and beat. Ctrl-C stops all of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=port_number, help="port of the pages (that of WEB_BIND, else 8000)")
        parser.add_argument(
            "--sandbox",
            action=BooleanOptionalAction,
            default=None,
            help="with the sandbox's Launchpad and Jenkins (by itself with DEBUG=true when neither is configured)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = self.where_to_listen(options["port"])
        self.check_is_free(host, port)
        here = "http://" + host_and_port("127.0.0.1" if host in EVERYWHERE else host, port)
        in_sandbox = sandbox_setup.FLAG in os.environ
        use_sandbox = settings.DEBUG and sandbox_setup.is_wanted() if options["sandbox"] is None else options["sandbox"]
        if use_sandbox and not in_sandbox:  # settings are read once: begin again with those of the sandbox
            environment = sandbox_setup.environment(settings.VAR_DIR, here)
            os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606
        if not os.environ.get("BASE_URL"):  # builds call back to this port, and to no other queue on this machine
            os.environ["BASE_URL"] = "http://" + host_and_port("localhost" if host in LOCAL else host, port)
        call_command("migrate", verbosity=0)
        if not settings.DEBUG:
            self.collect_static_files()
        celery = [sys.executable, "-m", "celery", "-A", "reviewqueue"]
        commands = {
            "web": [
                sys.executable, "-m", "gunicorn", "reviewqueue.wsgi", "--bind", host_and_port(host, port),
                "--workers", "1", "--threads", "4",
            ],
            "worker": [*celery, "worker", "--loglevel", "INFO", "--concurrency", "2"],
            "beat": [*celery, "beat", "--loglevel", "INFO"],
        }  # fmt: skip
        if in_sandbox:
            launchpad, jenkins, second_jenkins = os.environ[sandbox_setup.FLAG].split()
            ports = [
                "--launchpad-port", launchpad, "--jenkins-port", jenkins, "--second-jenkins-port", second_jenkins,
            ]  # fmt: skip
            commands = {"sandbox": [sys.executable, "manage.py", "sandbox", "--alive", *ports], **commands}
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        children = {name: self.start(name, command) for name, command in commands.items()}
        if in_sandbox:
            sandbox_setup.wait_for_port(int(launchpad))
        self.say_where_to_look(here, in_sandbox)
        if Source.objects.active().exists():  # beat's first import would come after its first ten minutes
            enqueue_on_commit(import_from_launchpad.name)
        try:
            while not stopping.wait(1):
                for name, child in children.items():
                    if child.poll() is not None:
                        self.stderr.write(f"{name} ended with status {child.returncode}; it is started again.")
                        children[name] = self.start(name, commands[name])
        finally:
            self.stop(children)

    def where_to_listen(self, port: int | None) -> tuple[str, int]:
        """Host and port of the pages: those of WEB_BIND, but the port of the command line if one is given."""
        bind = os.environ.get("WEB_BIND") or BIND
        try:
            parts = urlsplit(f"//{bind}")
            if parts.path or "," in bind:  # a socket file, or several addresses
                raise ValueError
            return parts.hostname or EVERYWHERE[0], port or parts.port or 8000
        except ValueError:
            raise CommandError(
                f"WEB_BIND is {bind}, and runqueue listens at one host and port, as {BIND}. Change it, or start "
                "gunicorn, worker and beat by themselves (docs/operations.md)."
            ) from None

    def check_is_free(self, host: str, port: int) -> None:
        """Raises CommandError when the pages can't be served there."""
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                other = port % 65535 + 1
                words = f"Port {port} is in use. Stop what uses it, or choose another: make run PORT={other}"
            else:
                words = f"The pages can't be served at {host}, port {port}: {error.strerror}. Check WEB_BIND."
            raise CommandError(words) from None

    def collect_static_files(self) -> None:
        """A disk that is full only costs the styles of this version, if those of the last one are there."""
        try:
            call_command("collectstatic", interactive=False, verbosity=0)
        except OSError as error:
            if not (settings.STATIC_ROOT / "staticfiles.json").exists():
                raise CommandError(
                    f"Static files can't be written to {settings.STATIC_ROOT}: {error.strerror}."
                ) from None
            self.stderr.write(f"Static files can't be written ({error.strerror}): those of the last start are used.")

    def say_where_to_look(self, here: str, in_sandbox: bool) -> None:
        """The addresses, the accounts, and what is not real."""
        shown = settings.BASE_URL if settings.BASE_URL_IS_HTTPS else here  # http would only lead to https
        lines = [f"Review Queue   {shown}/", f"Admin          {shown}/admin/"]
        if shown != here:
            lines.append(f"Your proxy     passes it on to {here}/  (deploy/nginx/review-queue.conf is one)")
        if in_sandbox:
            lines += [
                f"Launchpad      {settings.LAUNCHPAD_SERVICE_ROOT}  (the sandbox's: nothing leaves this machine)",
                f"Jenkins        {settings.JENKINS_JOB_URL}  (the sandbox's)",
                "",
                "Log in as",
                *(
                    f"  {account.name:12} {account.password:14} {account.rights}"
                    for account in sandbox_setup.prepare(settings.VAR_DIR)
                ),
                "",
                "The line fills within a minute. README.md says how to point it at your own team and job.",
            ]
        else:
            lines.append("An account for the admin: manage.py createsuperuser. Is all well? manage.py check_queue")
            if not Source.objects.active().exists():
                lines += [
                    "",
                    "No source is switched on yet: nothing is imported, and nothing is sent to a Jenkins.",
                    f"Switch one on at {shown}/admin/reviews/source/",
                    "",
                ]
        self.stdout.write("\n" + "\n".join(f"  {line}" for line in [*lines, "Ctrl-C stops everything."]) + "\n\n")
        self.stdout.flush()

    def start(self, name: str, command: list[str]) -> "subprocess.Popen[str]":
        """A child in a process group of its own, its output passed on line by line with its name before it."""
        child = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            cwd=settings.BASE_DIR,
        )

        def pass_on() -> None:
            for line in child.stdout or []:
                sys.stdout.write(f"{name:7}| {line}")
                sys.stdout.flush()

        threading.Thread(target=pass_on, daemon=True).start()
        return child

    def stop(self, children: "dict[str, subprocess.Popen[str]]") -> None:
        """Ask each child to stop, wait, and end what does not."""
        for child in children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + GRACE
        for child in children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
        self.stdout.write("Stopped.")


def host_and_port(host: str, port: int) -> str:
    """As they stand in a URL: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
