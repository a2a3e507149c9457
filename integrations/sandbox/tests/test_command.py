"""``manage.py sandbox`` serves all of it from one process."""

import os
import re
import signal
import subprocess
import sys

import pytest
import requests
from django.conf import settings as project_settings
from django.core.management import CommandError, call_command


def test_the_command_serves_all_and_stops_on_sigterm():
    ports = ["--launchpad-port", "0", "--jenkins-port", "0", "--second-jenkins-port", "0"]
    command = [sys.executable, "manage.py", "sandbox", *ports]
    environment = os.environ | {"DEBUG": "true"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=project_settings.BASE_DIR, env=environment)
    try:
        lines = [child.stdout.readline() for _ in range(5)]
        settings = dict(line.strip().split("=", 1) for line in lines[1:4])
        root = requests.get(settings["LAUNCHPAD_SERVICE_ROOT"] + "devel/", timeout=60)
        assert "resource_type_link" in root.json()
        job = requests.get(settings["JENKINS_JOB_URL"] + "/api/json", timeout=60)
        assert job.json()["buildable"] is True
        second = re.search(r"(http://\S+/), job (\S+),", lines[4])
        job = requests.get(f"{second[1]}{second[2]}/api/json", timeout=60)
        assert job.json()["buildable"] is True
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_port_in_use_is_said_in_words(sandbox):
    port = int(sandbox.launchpad.url.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(CommandError, match="--launchpad-port"):
        call_command("sandbox", "--launchpad-port", str(port))


@pytest.mark.parametrize("port", ["65536", "-1", "http", "9" * 5000, "²"])
@pytest.mark.parametrize("command", [["sandbox", "--jenkins-port"], ["runqueue", "--port"]])
def test_a_port_that_is_none_is_wrong_usage(command, port):
    with pytest.raises(CommandError, match="number up to 65535"):  # argparse's: on a command line it exits with 2
        call_command(command[0], f"{command[1]}={port}")
