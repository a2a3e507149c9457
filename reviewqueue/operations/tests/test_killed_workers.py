"""At-least-once work, proved with real workers that are killed: what one leaves undone, the next one does.

The file broker forgets a message that a killed worker had taken; Redis gives it out again. Neither matters in the end:
the rows say what is to be done.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from kombu import Connection

from integrations.launchpad.importing import import_source
from integrations.sandbox.data import many
from integrations.sandbox.serving import Fault
from integrations.tasks import import_from_launchpad
from reviews.models import Review, Source
from testing.models import Attempt, Status, TestRun
from testing.tasks import sweep_test_runs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ON_REDIS = django_settings.CELERY_BROKER_URL.startswith("redis")
PROPOSALS = 8  # as many as one sweep asks for at a time: all of them are under way at once
WAIT = 300  # seconds; only what is broken takes as long


def until(question, seconds=WAIT):
    """Wait for it; what it answered in the end."""
    deadline = time.monotonic() + seconds
    while not (answer := question()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


def database_url():
    facts = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{facts['NAME']}"
    password = f":{quote(facts['PASSWORD'], safe='')}" if facts["PASSWORD"] else ""
    return f"postgres://{facts['USER']}{password}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"


@pytest.fixture
def processes(sandbox, tmp_path):
    """Starts Celery processes that work with the test's database, sandbox and a broker of their own."""
    many(sandbox.launchpad, proposals=PROPOSALS, diffs=False)
    Source.objects.update(active=False)
    Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody")
    queue = queue_name = f"test-{uuid.uuid4().hex}"
    broker = django_settings.CELERY_BROKER_URL if ON_REDIS else "filesystem://"
    environment = os.environ | {
        "DEBUG": "true", "DATABASE_URL": database_url(), "CELERY_BROKER_URL": broker, "VAR_DIR": str(tmp_path),
        "LAUNCHPAD_SERVICE_ROOT": sandbox.launchpad.url,
        "LAUNCHPAD_CREDENTIALS_FILE": str(tmp_path / "lp-creds"), "JENKINS_JOB_URL": sandbox.jenkins.job_url,
        "JENKINS_TOKEN": sandbox.jenkins.token, "JENKINS_TIMEOUT": "600", "LAUNCHPAD_TIMEOUT": "600",
        "PYTHONWARNINGS": "ignore", "CELERY_SOFT_SHUTDOWN_TIMEOUT": "1",
    }  # fmt: skip
    started = []
    for folder in ("messages", "control"):
        (tmp_path / "broker" / folder).mkdir(parents=True)

    class Processes:
        queue = queue_name
        messages = tmp_path / "broker" / "messages"

        def logs_of(self, child):
            return (tmp_path / f"{started.index(child)}.log").read_text()

        def worker(self):
            return self.start("worker", "-Q", queue, "-c", "1", "-n", f"{uuid.uuid4().hex}@test", "--without-gossip")

        def start(self, *arguments):
            log = (tmp_path / f"{len(started)}.log").open("w")
            child = subprocess.Popen(
                [sys.executable, "-m", "celery", "--skip-checks", "-A", "reviewqueue", *arguments],
                cwd=django_settings.BASE_DIR, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            started.append(child)
            return child

        def kill(self, child):
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(WAIT)

        def send(self, task):
            with self.broker() as connection:
                task.apply_async(queue=queue, connection=connection)

        def waiting(self):
            if not ON_REDIS:
                return len(list(self.messages.glob(f"*{queue}*")))
            with self.broker() as connection:
                return connection.default_channel.client.llen(queue)

        def forget_messages(self):
            for path in self.messages.glob(f"*{queue}*"):
                path.unlink()
            if ON_REDIS:  # only ours: other tests use the same Redis at the same time
                with self.broker() as connection:
                    client = connection.default_channel.client
                    client.delete(queue)
                    for tag in self.taken(client):
                        client.hdel("unacked", tag)
                        client.zrem("unacked_index", tag)

        def taken(self, client):
            """The tags of our messages that somebody took and did not acknowledge, in Redis."""
            return [tag for tag, kept in client.hgetall("unacked").items() if json.loads(kept)[2] == queue]

        def give_back_what_the_dead_took(self):
            """Redis does it by itself after the visibility timeout; here that is over."""
            if ON_REDIS:
                with self.broker() as connection:
                    client = connection.default_channel.client
                    assert self.taken(client)
                    client.zadd("unacked_index", dict.fromkeys(self.taken(client), 0))
                    client.delete("unacked_mutex")  # should it have died while it looked for others' messages

        def broker(self):
            folders = {"data_folder_in": str(self.messages), "data_folder_out": str(self.messages)}
            folders["control_folder"] = str(tmp_path / "broker" / "control")
            return Connection(broker, transport_options={} if ON_REDIS else folders)

        def logs(self):
            return "".join(path.read_text() for path in sorted(tmp_path.glob("*.log")))

    yield Processes()
    for child in started:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(WAIT)


def test_what_a_killed_import_left_is_done_by_the_next_worker(processes, sandbox):
    # Who sent each item is asked, and never answered, so the worker is in the middle of it whenever the signal comes.
    sandbox.launchpad.faults = [Fault("slow", path="/~person-", seconds=600)]
    processes.send(import_from_launchpad)
    first = processes.worker()
    assert until(lambda: sandbox.launchpad.faulted["slow"]), processes.logs()
    processes.kill(first)
    assert not Review.objects.exists()
    assert Source.objects.get(name="many").last_success_at is None
    sandbox.launchpad.faults = []
    assert processes.waiting() == 0  # taken by the one that was killed
    processes.give_back_what_the_dead_took()
    if not ON_REDIS:  # it is lost: the schedule brings the next one
        processes.send(import_from_launchpad)
    worker = processes.worker()
    assert until(lambda: Source.objects.get(name="many").last_success_at), processes.logs()
    assert Review.objects.count() == PROPOSALS
    assert TestRun.objects.count() == PROPOSALS
    # SIGTERM: what is under way is finished first.
    sandbox.jenkins.faults = [Fault("slow", path="buildWithParameters", seconds=600)]
    processes.send(sweep_test_runs)
    assert until(lambda: sandbox.jenkins.faulted["slow"] == PROPOSALS), processes.logs()
    worker.terminate()
    assert until(lambda: "Warm shutdown" in processes.logs_of(worker)), processes.logs()
    sandbox.jenkins.hurry.set()
    assert worker.wait(WAIT) == 0
    assert not TestRun.objects.exclude(status=Status.PENDING).exists()
    assert processes.waiting() == 0


def move_the_clock():
    """The claims of a dead worker run out by themselves, after three minutes; here that is now."""
    TestRun.objects.filter(status=Status.RETRY).update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def test_what_killed_sweeps_left_is_done_though_every_message_is_lost(processes, sandbox):
    import_source(Source.objects.get(name="many"))
    sandbox.jenkins.faults = [Fault("slow", path="buildWithParameters", seconds=600)]
    processes.send(sweep_test_runs)
    first = processes.worker()
    assert until(lambda: sandbox.jenkins.faulted["slow"] == PROPOSALS), processes.logs()
    processes.kill(first)
    processes.forget_messages()
    # SIGQUIT: what does not end in time goes back to the broker.
    sandbox.launchpad.faults = [Fault("slow", path="/many$", seconds=600)]
    processes.send(import_from_launchpad)
    second = processes.worker()
    assert until(lambda: sandbox.launchpad.faulted["slow"]), processes.logs()
    assert processes.waiting() == 0
    second.send_signal(signal.SIGQUIT)
    assert second.wait(WAIT) is not None
    assert until(processes.waiting) == 1, processes.logs()
    assert TestRun.objects.filter(status=Status.RETRY).count() == PROPOSALS
    processes.forget_messages()
    sandbox.jenkins.faults = []
    sandbox.jenkins.hurry.set()
    move_the_clock()
    processes.send(sweep_test_runs)  # as beat does every minute
    processes.worker()
    assert until(lambda: not TestRun.objects.exclude(status=Status.PENDING).exists()), processes.logs()
    assert set(TestRun.objects.values_list("attempt", flat=True)) == {1}
    assert Attempt.objects.count() == PROPOSALS
    # Jenkins merges what it was asked twice (the same run, attempt and token): one build each.
    built = [build.parameters["job_id"] for build in sandbox.jenkins.builds.values()]
    assert sorted(built) == sorted(str(pk) for pk in TestRun.objects.values_list("pk", flat=True))


def test_a_second_beat_does_no_harm(processes, sandbox):
    second, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
    PeriodicTask.objects.update(enabled=False)
    wanted = PeriodicTask.objects.filter(task__in=[sweep_test_runs.name, import_from_launchpad.name])
    wanted.update(enabled=True, interval=second, queue=processes.queue)
    processes.worker()
    beats = [processes.start("beat", "-l", "INFO", "-s", os.devnull) for _ in range(2)]
    assert until(lambda: TestRun.objects.filter(status=Status.PENDING).count() == PROPOSALS), processes.logs()
    assert until(lambda: min(processes.logs_of(beat).count("Sending due task") for beat in beats) >= 4)
    for beat in beats:
        beat.terminate()
    assert [beat.wait(WAIT) for beat in beats] == [0, 0], processes.logs()
    assert until(lambda: not processes.waiting()), processes.logs()
    built = [build.parameters["job_id"] for build in sandbox.jenkins.builds.values()]
    assert len(built) == len(set(built)) == PROPOSALS
    assert Review.objects.count() == Attempt.objects.count() == PROPOSALS
