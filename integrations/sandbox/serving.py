"""What both sandbox servers share: HTTP, a log of requests, and faults on demand."""

from __future__ import annotations

import html
import json
import random
import re
import socket
import ssl
import sys
import threading
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}pre{white-space:pre-wrap}"
    "th,td{text-align:left;padding-right:1.5rem}"
)
KINDS = ("status", "html", "cut", "slow", "hang up", "lost")
POLL_SECONDS = 0.005  # between two looks whether to stop
LARGEST_BODY = 10 * 1024 * 1024  # bytes


def port_number(text: str) -> int:
    """A port, as it is named on a command line. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= 65535):
        raise ArgumentTypeError("a port is a number up to 65535")
    return int(text)


@dataclass
class Request:
    """One request, taken apart."""

    method: str
    path: str  # unquoted, without the query
    segments: list[str]  # of the path, each unquoted: a name may hold a slash
    query: dict[str, str]
    form: dict[str, str]
    headers: Any
    body: bytes

    def parameter(self, name: str) -> str:
        """From the query or the form."""
        return self.query.get(name) or self.form.get(name, "")


@dataclass
class Answer:
    """What to answer; an iterator of bytes is streamed."""

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    type: str = "application/json"


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(value).encode(), headers)


def page_answer(title: str, *parts: str, status: int = 200) -> Answer:
    """A page for people; the parts are HTML already."""
    heading = html.escape(title)
    page = f"<!doctype html><meta charset=utf-8><title>{heading}</title><style>{STYLE}</style><h1>{heading}</h1>"
    return Answer(status, (page + "".join(parts)).encode(), type="text/html; charset=utf-8")


@dataclass
class Fault:
    """Goes wrong on purpose. ``kind``: status, html, cut, slow, hang up, or lost (carried out and not answered)."""

    kind: str = "status"
    status: int = 503
    path: str = ""  # a regular expression; empty matches every path
    times: int = -1  # how often; -1 without end
    rate: float = 1.0
    seconds: float = 1.0  # of slow

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections that wait to be taken

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or refuses our certificate, is no news; anything else is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class SandboxServer:
    """A threading HTTP server on the loopback interface. Subclasses answer in ``respond``.

    Tests in this process call its methods. Another process uses ``/+control``: GET says what happened; POST takes JSON
    with any of ``faults`` (a list of ``Fault``, instead of those before), ``reset`` (forget the requests so far),
    ``set`` (attributes of ``SETTABLE``), ``do`` (a list of ``[method, {argument: value}]``, methods of ``CALLABLE``).
    """

    SETTABLE: tuple[str, ...] = ("lower_case_headers",)
    CALLABLE: tuple[str, ...] = ()

    def __init__(self, port: int = 0, *, seed: int = 1, certificate: Path | None = None) -> None:
        """Listen on a port (0: any free one). ``certificate`` is a PEM file with its key: then it speaks TLS."""
        self.requests: list[tuple[str, str]] = []
        self.lower_case_headers = False  # as HTTP/2 and some proxies send them
        self.faults: list[Fault] = []
        self.faulted: Counter[str] = Counter()  # how often each kind was answered
        self.lock = threading.RLock()
        self.hurry = threading.Event()  # set it, and slow requests are answered now
        self.random = random.Random(seed)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                outer._handle(self)

            do_GET = do_POST = do_PATCH = do_HEAD = handle_any

            def log_message(self, *_: Any) -> None:
                """Quiet: the log of requests is ``SandboxServer.requests``."""

        self.server = _Server(("127.0.0.1", port), Handler)
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            # The handshake is the handler's, at its first read: a client that breaks it off holds nobody up.
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server.server_port}/"

    def start(self) -> None:
        """Serve from a thread."""
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, daemon=True).start()

    def stop(self) -> None:
        self.hurry.set()
        self.server.shutdown()
        self.server.server_close()

    def respond(self, request: Request) -> Answer:
        """The answer to a request."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """What ``GET /+control`` answers."""
        with self.lock:
            return {
                "requests": len(self.requests), "faults": [vars(fault) for fault in self.faults],
                "faulted": dict(self.faulted),
            }  # fmt: skip

    def _control(self, request: Request) -> Answer:
        if request.method == "POST":
            try:
                done = self._take_orders(json.loads(request.body or b"{}"))
            except (ValueError, TypeError, AttributeError, KeyError) as error:
                return json_answer({"error": str(error)}, 400)
            return json_answer(self.facts() | {"done": done})
        return json_answer(self.facts())

    def _take_orders(self, orders: dict[str, Any]) -> list[Any]:
        """Do what a POST to ``/+control`` says. Returns what the called methods returned."""
        faults = [Fault(**fault) for fault in orders.get("faults", [])]
        calls = [(name, arguments) for name, arguments in orders.get("do", [])]
        for name in orders.get("set", {}):
            if name not in self.SETTABLE:
                raise ValueError(f"set one of {', '.join(self.SETTABLE)}")
        for name, _ in calls:
            if name not in self.CALLABLE:
                raise ValueError(f"do one of {', '.join(self.CALLABLE)}")
        with self.lock:
            if "faults" in orders:
                self.faults = faults
            if orders.get("reset"):
                self.requests.clear()
            for name, value in orders.get("set", {}).items():
                setattr(self, name, value)
            returned = [getattr(self, name)(**arguments) for name, arguments in calls]
        return [value if isinstance(value, str | int | float | None) else str(value) for value in returned]

    def _fault_for(self, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and re.search(fault.path, path) and self.random.random() < fault.rate:
                    fault.times -= 1
                    self.faulted[fault.kind] += 1
                    return fault
        return None

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = min(int(handler.headers.get("Content-Length") or 0), LARGEST_BODY)
        body = handler.rfile.read(length)
        is_form = "form-urlencoded" in handler.headers.get("Content-Type", "")
        request = Request(
            handler.command,
            unquote(parts.path),
            [unquote(segment) for segment in parts.path.split("/") if segment],
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)) if is_form else {},
            handler.headers,
            body,
        )
        if request.path == "/+control":
            self._write(handler, self._control(request))
            return
        with self.lock:
            self.requests.append((request.method, handler.path))
        fault = self._fault_for(request.path)
        if fault and fault.kind == "slow":
            self.hurry.wait(fault.seconds)
            fault = None
        if fault and fault.kind in ("hang up", "lost"):
            if fault.kind == "lost":
                self.respond(request)
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault and fault.kind == "status":
            self._write(handler, Answer(fault.status, b"out of order", type="text/plain"))
            return
        if fault and fault.kind == "html":
            self._write(handler, Answer(200, b"<html><title>Log in</title></html>", type="text/html"))
            return
        answer = self.respond(request)
        if fault and isinstance(answer.body, bytes):
            answer.body = answer.body[: len(answer.body) // 2]
        self._write(handler, answer)

    def _write(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        try:
            handler.send_response(answer.status)
            handler.send_header("content-type" if self.lower_case_headers else "Content-Type", answer.type)
            for name, value in answer.headers.items():
                handler.send_header(name.lower() if self.lower_case_headers else name, value)
            if isinstance(answer.body, bytes):
                handler.send_header("Content-Length", str(len(answer.body)))
                handler.end_headers()
                if handler.command != "HEAD":
                    handler.wfile.write(answer.body)
                return
            handler.send_header("Connection", "close")
            handler.close_connection = True
            handler.end_headers()
            for piece in answer.body:
                handler.wfile.write(piece)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True  # the client had enough
