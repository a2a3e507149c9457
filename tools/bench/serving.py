"""Serving with gunicorn and measuring from outside: CPU and memory from /proc, wall time by a client."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(parts[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used: to the nanosecond where the kernel counts so, else to the tick."""
    try:
        return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    except (OSError, IndexError, ValueError):
        parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / TICKS


def memory_of(pid: int) -> float:
    """The most memory that a process ever held, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Ask:
    """One kind of request: a path, or several in turn; ``repeats`` says whether they may come again from the first."""

    paths: list[str]
    method: str = "GET"
    bodies: list[bytes] = field(default_factory=lambda: [b""])
    headers: dict[str, str] = field(default_factory=dict)
    expected: int = 200
    turn: int = 0
    repeats: bool = True
    holds: bytes = b""  # what every answer holds

    @property
    def left(self) -> int:
        """How many requests can be made before the first comes again."""
        return len(self.paths) - self.turn

    def next(self) -> tuple[str, bytes]:
        turn, self.turn = self.turn, self.turn + 1
        if turn >= len(self.paths) and not self.repeats:
            raise RuntimeError(f"{self.paths[0]} and all the others were asked already")
        return self.paths[turn % len(self.paths)], self.bodies[turn % len(self.bodies)]


class Server:
    """gunicorn with an application; its workers' CPU and memory."""

    def __init__(self, application: str, environment: dict[str, str], folder: Path, log: Path, workers: int) -> None:
        self.port = free_port()
        (folder / "empty.conf.py").write_text("")
        self.log = log.open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{self.port}", "--workers",
                str(workers), "--config", str(folder / "empty.conf.py"), "--log-level", "warning",
            ],
            env=environment, stdout=self.log, stderr=self.log, start_new_session=True,
        )  # fmt: skip
        self.log_path = log
        deadline = time.monotonic() + 600
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                if len(children_of(self.process.pid)) >= workers:
                    break
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{application} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        self.workers = children_of(self.process.pid)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()

    def cpu(self) -> float:
        return sum(cpu_of(pid) for pid in self.workers)

    def memory(self) -> float:
        return max(memory_of(pid) for pid in self.workers)

    def ask(self, ask: Ask) -> tuple[bytes, dict[str, str], float]:
        """One request on a connection of its own, as gunicorn's workers want it. Body, headers, seconds."""
        path, body = ask.next()
        begin = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(ask.method, path, body or None, ask.headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        seconds = time.perf_counter() - begin
        if answer.status != ask.expected:
            raise RuntimeError(f"{ask.method} {path} answered {answer.status}: {content[:300]!r}\n{self.log_path}")
        if ask.holds not in content:
            raise RuntimeError(f"{ask.method} {path} answered without {ask.holds!r}: {content[:300]!r}")
        return content, {name.lower(): value for name, value in answer.getheaders()}, seconds

    def burst(self, ask: Ask, requests: int) -> tuple[float, list[float]]:
        """CPU milliseconds per request of a number of requests one after the other, and the seconds of each."""
        before = self.cpu()
        seconds = [self.ask(ask)[2] for _ in range(requests)]
        return max(self.cpu() - before, 1e-6) * 1000 / requests, seconds  # the kernel may count late

    def throughput(self, ask: Ask, seconds: float) -> float:
        """Requests per second with four clients at once; each has paths of its own where none may come again."""
        done, end = [0] * 4, time.perf_counter() + seconds

        def client(number: int) -> None:
            mine = replace(ask, turn=number * 7)
            if not ask.repeats:
                every = len(ask.bodies)  # so many requests belong together
                begin = -(-ask.turn // every) * every
                share = (len(ask.paths) - begin) // 4 // every * every
                mine = replace(ask, turn=0, paths=ask.paths[begin + number * share : begin + (number + 1) * share])
            while time.perf_counter() < end and (mine.repeats or mine.left):
                self.ask(mine)
                done[number] += 1

        threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
        begin = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(done) / (time.perf_counter() - begin)


def warm_up(server: Server) -> int:
    """How many requests make every worker warm."""
    return 2 * len(server.workers) + 2


def compare(ours: Server, floor: Server, ask: Ask, bare: Ask, *, rounds: int, requests: int) -> dict[str, Any]:
    """Ours and the floor in turns, so that what else the machine does weighs on both; medians of the rounds."""
    for server, one in ((ours, ask), (floor, bare)):
        server.burst(one, warm_up(server))
    cpu, least, ratios, wall, bare_wall = [], [], [], [], []
    for _ in range(rounds):
        mine, seconds = ours.burst(ask, requests)
        theirs, bare_seconds = floor.burst(bare, requests)
        cpu.append(mine)
        least.append(theirs)
        ratios.append(mine / theirs)
        wall += seconds
        bare_wall += bare_seconds
    return {
        "cpu": statistics.median(cpu),
        "floor_cpu": statistics.median(least),
        "ratio": statistics.median(ratios),
        "p50": statistics.median(wall) * 1000,
        "p95": sorted(wall)[int(len(wall) * 0.95)] * 1000,
        "floor_p50": statistics.median(bare_wall) * 1000,
    }
