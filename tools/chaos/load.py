"""A minute of load on the callback endpoint and the dashboard: errors, latencies, memory. Loopback only."""

from __future__ import annotations

import http.client
import random
import threading
import time
from dataclasses import dataclass, field

CLIENTS = {"callback": 4, "dashboard": 2}
MAX_REQUESTS = 60_000  # requests in all


@dataclass
class Measured:
    """What came back from one address."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def line(self, name: str, took: float) -> str:
        times = sorted(self.seconds) or [0.0]
        p50, p95 = times[len(times) // 2], times[int(len(times) * 0.95)]
        return (
            f"{name:10} {len(self.seconds):6} requests, {len(self.seconds) / took:6.1f} a second, "
            f"{len(self.errors)} errors, p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, "
            f"longest {times[-1] * 1000:.0f} ms"
        )


def load(port: int, callbacks: list[str], seconds: float, seed: int) -> dict[str, Measured]:
    """Ask for ``seconds``. ``callbacks`` are paths with their tokens, of runs that have their outcome already."""
    measured = {name: Measured() for name in CLIENTS}
    until, left = time.monotonic() + seconds, [MAX_REQUESTS]
    lock = threading.Lock()

    def ask(name: str, number: int) -> None:
        chance, seen = random.Random(f"{seed} {name} {number}"), measured[name]
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.monotonic() < until:
            with lock:
                left[0] -= 1
                if left[0] < 0:
                    return
            method, path, body = "GET", "/", None
            headers = {}
            if name == "callback":
                method, path = "POST", chance.choice(callbacks)
                body = f"status={chance.choice(('RUNNING', 'PASS', 'FAIL'))}"
                headers = {"Content-Type": "application/x-www-form-urlencoded"}
            started = time.monotonic()
            try:
                client.request(method, path, body, headers)
                answer = client.getresponse()
                answer.read()
                problem = "" if answer.status == 200 else f"{method} {path.split('?')[0]}: {answer.status}"
            except (OSError, http.client.HTTPException) as error:
                problem = f"{method} {path.split('?')[0]}: {error!r}"
                client.close()
            with lock:
                seen.seconds.append(time.monotonic() - started)
                if problem:
                    seen.errors.append(problem)

    clients = [
        threading.Thread(target=ask, args=(name, number), daemon=True)
        for name, many in CLIENTS.items()
        for number in range(many)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join(seconds + 60)
    return measured
