"""The processes of a production: started, killed without warning, started again, weighed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


class Process:
    """One process of a kind, in a group of its own; its output goes to a file."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name, self.command, self.environment = name, command, environment
        self.log = folder / f"{name}.log"
        self.child: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.cpu = 0.0  # seconds, of those that ended

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=TOP,
                env=self.environment, start_new_session=True,
            )  # fmt: skip
        self.started = time.monotonic()

    @property
    def alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def pids(self) -> list[int]:
        """The process and its children."""
        return [self.child.pid, *_children(self.child.pid)] if self.child else []

    def kill(self) -> None:
        """SIGKILL for it and its children: the machine went away."""
        if self.child:
            self.cpu += self._cpu_now()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()

    def kill_a_child(self, chance: random.Random) -> bool:
        """SIGKILL for one of its children: the kernel was short of memory."""
        children = _children(self.child.pid) if self.child else []
        if children:
            os.kill(chance.choice(children), signal.SIGKILL)
        return bool(children)

    def stop(self) -> None:
        """Ask it to stop, and end it when it does not."""
        if self.child and self.alive:
            self.cpu += self._cpu_now()
            self.child.terminate()
            try:
                self.child.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def _cpu_now(self) -> float:
        return sum(_cpu(pid) for pid in self.pids()) if self.alive else 0.0

    def seconds(self) -> float:
        """CPU seconds that it and those before it took, but for children that ended by themselves."""
        return self.cpu + self._cpu_now()

    def memory(self) -> list[float]:
        """Resident MiB of the process and of each of its children."""
        return [_resident(pid) for pid in self.pids()]


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def celery(*arguments: str) -> list[str]:
    return python("celery", "-A", "reviewqueue", *arguments)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


class Killer:
    """Kills a worker, a worker's child or the beat every few seconds, by the seed; what died is started again."""

    def __init__(self, victims: list[Process], every: float, seed: int) -> None:
        self.victims, self.every, self.chance = victims, every, random.Random(seed)
        self.next = time.monotonic() + every
        self.kills: Counter[str] = Counter()

    def tick(self) -> None:
        """Call it often."""
        for process in self.victims:
            if not process.alive:
                process.start()
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + self.every * self.chance.uniform(0.7, 1.3)
        # Whoever has lived longest: with a start that takes seconds, one who is killed at once never works.
        oldest = sorted(self.victims, key=lambda process: process.started)
        process = oldest[0] if self.chance.random() < 0.7 else oldest[1]
        if process.name.startswith("worker") and self.chance.random() < 0.3:
            self.kills["child of a worker"] += process.kill_a_child(self.chance)
            return
        process.kill()
        process.start()
        self.kills[process.name.rstrip("12")] += 1
