"""A scripted Jenkins over real HTTP: answers what a test tells it to, and remembers what it was asked."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, dict[str, str], bytes | Iterator[bytes]]


class ScriptedJenkins:
    """``answers`` maps a path to an answer or to a function of the request that makes one."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, Answer | Callable[[dict[str, Any]], Answer]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                request = {
                    "method": self.command,
                    "path": parts.path,
                    "parameters": dict(parse_qsl(parts.query)) | dict(parse_qsl(body)),
                    "headers": dict(self.headers),
                }
                outer.asked.append(request)
                found = outer.answers.get(parts.path, (404, {}, b""))
                status, headers, content = found(request) if callable(found) else found
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for piece in [content] if isinstance(content, bytes) else content:
                        self.wfile.write(piece)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client had enough, as it should

            do_GET = do_POST = answer

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.job_url = self.url + "job/charm-test"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def accepts(self, item: int = 1) -> None:
        """Queue every build that is asked for."""
        self.builds_answer(201, {"Location": f"{self.url}queue/item/{item}/"})

    def builds_answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.answers["/job/charm-test/buildWithParameters"] = (status, headers or {}, b"")

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
