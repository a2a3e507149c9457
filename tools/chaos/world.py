"""The sandbox's Launchpad and Jenkins in a process of their own: ``python -m tools.chaos.world``."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from integrations.sandbox import Sandbox
from integrations.sandbox.data import many

PROJECT = "many"


def main() -> None:
    """Serve a project with so many proposals until a signal stops it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--launchpad-port", type=int, required=True)
    parser.add_argument("--jenkins-port", type=int, required=True)
    parser.add_argument("--reviews", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--longest-build", type=float, required=True, help="seconds")
    options = parser.parse_args()
    sandbox = Sandbox(options.launchpad_port, options.jenkins_port, seed=options.seed)
    many(sandbox.launchpad, proposals=options.reviews, project=PROJECT)
    sandbox.jenkins.waiting_seconds = (0.1, options.longest_build / 4)
    sandbox.jenkins.building_seconds = (options.longest_build / 4, options.longest_build)
    sandbox.jenkins.losing, sandbox.jenkins.doubling, sandbox.jenkins.delaying = 0.15, 0.15, 0.1
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    sandbox.start(believable=False)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    stopping.wait()
    sandbox.stop()


if __name__ == "__main__":
    main()
