"""Scripted servers over real HTTP: they answer what a test tells them to, and remember what they were asked."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from integrations.sandbox.launchpad import WADL_BASE
from integrations.sandbox.world import wadl

POLL_SECONDS = 0.005  # between two looks whether to stop: there is a server for nearly every test
Answer = tuple[int, dict[str, str], bytes | Iterator[bytes]]


class ScriptedServer:
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
                    "path": unquote(parts.path),
                    "body": body,
                    "parameters": dict(parse_qsl(parts.query)) | dict(parse_qsl(body)),
                    "headers": self.headers,  # found whatever their case
                }
                outer.asked.append(request)
                found = outer.answers.get(unquote(parts.path), (404, {}, b""))
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

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128  # connections that wait to be taken

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class ScriptedJenkins(ScriptedServer):
    """A Jenkins with one job."""

    @property
    def job_url(self) -> str:
        return self.url + "job/charm-test"

    def accepts(self, item: int = 1) -> None:
        """Queue every build that is asked for."""
        self.builds_answer(201, {"Location": f"{self.url}queue/item/{item}/"})

    def builds_answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.answers["/job/charm-test/buildWithParameters"] = (status, headers or {}, b"")


class ScriptedLaunchpad(ScriptedServer):
    """A Launchpad that launchpadlib can talk to: the WADL that it ships, and the entries that a test puts there."""

    def __init__(self) -> None:
        super().__init__()
        self.root = self.url + "devel/"
        self.answers["/devel/"] = self._service_root
        self.collection("~charmers/participants", [{"name": "rev", "display_name": "Rev", "is_team": False}])

    def _service_root(self, request: dict[str, Any]) -> Answer:
        if "wadl" in request["headers"].get("Accept", ""):
            text = wadl().replace(WADL_BASE, self.root)
            return 200, {"Content-Type": "application/vnd.sun.wadl+xml"}, text.encode()
        front = {"resource_type_link": self.root + "#service-root"}
        return 200, {"Content-Type": "application/json"}, json.dumps(front).encode()

    def put(self, path: str, entry: dict[str, Any]) -> dict[str, Any]:
        """An entry at a path below the service root."""
        entry.setdefault("self_link", self.root + path)
        self.answers["/devel/" + path] = (200, {"Content-Type": "application/json"}, json.dumps(entry).encode())
        return entry

    def entry(self, path: str) -> dict[str, Any]:
        """The entry that was put at a path."""
        answer = self.answers["/devel/" + path]
        assert isinstance(answer, tuple)
        assert isinstance(answer[2], bytes)
        return dict(json.loads(answer[2]))

    def collection(self, path: str, entries: list[Any]) -> None:
        """A collection at a path: three hundred entries a batch, as Launchpad hands them out."""

        def answer(request: dict[str, Any]) -> Answer:
            start, size = (int(request["parameters"].get(name, default)) for name, default in
                           (("ws.start", 0), ("ws.size", 75)))  # fmt: skip
            page: dict[str, Any] = {
                "total_size": len(entries),
                "start": start,
                "entries": entries[start : start + size],
            }
            if start + size < len(entries):
                following = {**request["parameters"], "ws.start": start + size}
                page["next_collection_link"] = f"{self.root}{path}?{urlencode(following)}"
            return 200, {"Content-Type": "application/json"}, json.dumps(page).encode()

        self.answers["/devel/" + path] = answer

    def proposal(self, number: int, status: str = "Needs review", **more: Any) -> dict[str, Any]:
        """A Bazaar proposal by ada, with its preview diff."""
        path = f"~ada/charms/trusty/mysql/fix-{number}/+merge/{number}"
        diff = f"{path}/+preview-diff/{more.pop('diff', 1)}"
        self.put(diff, {"source_revision_id": f"tip-of-{diff}"})
        self.collection(path + "/all_comments", [])
        return self.put(
            path,
            {
                "web_link": f"https://code.launchpad.net/{path}",
                "queue_status": status,
                "registrant_link": self.root + "~ada",
                "date_created": "2026-01-01T10:00:00+00:00",
                "date_review_requested": "2026-01-02T10:00:00+00:00",
                "date_reviewed": None,
                "date_merged": None,
                "source_branch_link": f"{self.root}~ada/charms/trusty/mysql/fix-{number}",
                "target_branch_link": f"{self.root}~charmers/charms/trusty/mysql/trunk",
                "preview_diff_link": self.root + diff,
                "all_comments_collection_link": f"{self.root}{path}/all_comments",
                **more,
            },
        )

    def bug(self, number: int, status: str = "New", tags: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
        """A bug task in charms, with its bug and a linked branch."""
        branch = f"~bob/charms/trusty/new-{number}/trunk"
        self.put(branch, {"bzr_identity": f"lp:{branch}", "last_scanned_id": f"tip-{number}"})
        self.collection(f"bugs/{number}/linked_branches", [{"branch_link": self.root + branch}])
        self.collection(f"bugs/{number}/messages", [self.message(number, 0, "bob", "+1, a description is no vote")])
        self.put(
            f"bugs/{number}",
            {
                "title": f"New charm {number}",
                "tags": list(tags),
                "date_last_updated": "2026-01-03T10:00:00+00:00",
                "date_last_message": None,
                "messages_collection_link": f"{self.root}bugs/{number}/messages",
                "linked_branches_collection_link": f"{self.root}bugs/{number}/linked_branches",
            },
        )
        return self.put(
            f"charms/+bug/{number}",
            {
                "web_link": f"https://bugs.launchpad.net/charms/+bug/{number}",
                "bug_link": f"{self.root}bugs/{number}",
                "status": status,
                "owner_link": self.root + "~bob",
                "date_created": "2026-01-01T10:00:00+00:00",
                "date_left_new": None,
                "title": f"Bug #{number} in charms",
                **more,
            },
        )

    def message(self, bug: int, position: int, author: str, content: str) -> dict[str, Any]:
        """One message on a bug."""
        return {
            "self_link": f"{self.root}bugs/{bug}/comments/{position}",
            "owner_link": f"{self.root}~{author}",
            "content": content,
            "date_created": f"2026-02-0{position + 1}T10:00:00+00:00",
        }
