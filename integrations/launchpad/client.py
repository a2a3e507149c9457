"""Launchpad's web service over HTTP: authorised requests, in time, bounded, and only below its service root.

Entries are returned as the JSON that they are; ``integrations.launchpad.entries`` gives them types. launchpadlib is
used for what it offers publicly: the credentials' file and signature, and the names of the service roots.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode, urljoin, urlsplit

from django.conf import settings
from launchpadlib import uris
from launchpadlib.credentials import AnonymousAccessToken, Consumer, Credentials

from core import http
from core.concurrency import ask_all
from core.text import shorten
from integrations.launchpad.errors import (
    ConfigurationError,
    InvalidEntry,
    LaunchpadError,
    NotAccessible,
    Refused,
    TemporaryError,
    TooMuchAsked,
)
from integrations.launchpad.paging import Collection

APPLICATION = "review-queue"
VERSION = "devel"
MAX_BYTES = 16 * 1024 * 1024  # of one answer; a list that is larger is asked for in smaller batches
MAX_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
LIBRARIAN = "launchpadlibrarian.net"  # where Launchpad keeps files
RETRIED = (502, 503)
PAUSE_SECONDS = 1.0  # before the one retry
FETCHERS = 4  # requests at a time, each on a connection of its own
MAX_FAILURES = 4  # in a row, after which Launchpad counts as down
MAX_BRANCHES = 40  # asked for in one request; their names must fit into a URL
SETUP = "manage.py setup_launchpad_credentials"


class Launchpad:
    """One client; for one thread at a time, so ``get_launchpad`` keeps one for each thread.

    Acts as the queue's own account, or as whoever gave the ``credentials``. ``timeout``: seconds for one request, if
    not LAUNCHPAD_TIMEOUT.
    """

    def __init__(self, credentials: Credentials | None = None, *, timeout: float | None = None) -> None:
        self.path: Path = settings.LAUNCHPAD_CREDENTIALS_FILE
        self.anonymous = credentials is None and not self.path.exists()
        self.root = api_root()
        self.requests = 0  # made for reading
        self.timeout = timeout
        self._credentials = credentials or (_anonymous() if self.anonymous else _load(self.path))
        self._clients: list[http.Client] = []
        self._free: queue.SimpleQueue[http.Client] = queue.SimpleQueue()  # those that no thread of get_many uses
        self._failures = 0  # of get_many, in a row
        self._lock = threading.Lock()
        self._me: str | None = "" if self.anonymous else None

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """The JSON object at a URL or path below the service root. Raises NotAccessible or another LaunchpadError."""
        return _as_object(self._get_value(path, **parameters))

    def get_list(self, path: str, **parameters: Any) -> list[Any]:
        """The JSON list that an operation answers. Raises NotAccessible or another LaunchpadError."""
        value = self._get_value(path, **parameters)
        if not isinstance(value, list):
            raise TemporaryError("Launchpad answered something that is not a list.")
        return value

    def _get_value(self, path: str, **parameters: Any) -> Any:
        self._open(1)
        return self._fetch(self._clients[0], self.url(path, **parameters))

    def get_many(self, paths: Iterable[str]) -> dict[str, dict[str, Any] | LaunchpadError]:
        """``get`` for each of the paths, a few at a time: what was answered, or what was wrong with it.

        When Launchpad fails several times in a row, the rest is not asked for, and fails as well.
        """
        wanted = list(dict.fromkeys(paths))
        if not wanted:
            return {}
        self._open(min(FETCHERS, len(wanted)))
        self._failures = 0
        fetch = self._fetch_on_free_client
        return dict(ask_all(wanted, fetch, at_once=min(FETCHERS, len(wanted)), problem=LaunchpadError))

    def _fetch_on_free_client(self, path: str) -> dict[str, Any]:
        """``get`` in one of the threads of ``get_many``, on a client that no other thread uses."""
        if self._failures >= MAX_FAILURES:
            raise TemporaryError("Launchpad does not answer; this was not asked for.")
        client = self._free.get()
        try:
            answer = _as_object(self._fetch(client, self.url(path)))
        except TemporaryError:
            self._failures += 1
            raise
        finally:
            self._free.put(client)
        self._failures = 0
        return answer

    def get_file(self, link: str, *, limit: int) -> http.Response:
        """The file at a link of Launchpad's, of a longer one the first ``limit`` bytes (``is_whole`` says which).

        One redirect to where Launchpad keeps files is followed, without our credentials. Raises LaunchpadError.
        """
        url = self._below_root(self.url(link))
        response = self._ask_for_file(url, self._headers("GET", url), limit)
        if response.status in REDIRECTS:
            place = urljoin(url, response.headers.get("location", ""))
            if not _keeps_files(place, self.root):
                raise LaunchpadError("Launchpad redirected to somewhere else; it was not followed.")
            response = self._ask_for_file(place, {}, limit)
        if response.status in (401, 403, 404, 410):
            raise NotAccessible(response.status)
        if response.status in REDIRECTS:
            raise LaunchpadError("Launchpad redirected too often; it was not followed further.")
        if response.status != 200:
            raise TemporaryError(f"Launchpad answered {response.status}.")
        if "html" in response.headers.get("content-type", ""):  # of a proxy, or to log in
            raise TemporaryError("Launchpad answered a page instead of the file.")
        return response

    def _ask_for_file(self, url: str, headers: dict[str, str], limit: int) -> http.Response:
        """One GET, a 502 or 503 asked for once more."""
        headers = {**headers, "Accept": "*/*"}
        for pause in (PAUSE_SECONDS, 0.0):
            with self._lock:
                self.requests += 1
            try:
                response = http.send(
                    "GET", url, headers=headers, timeout=settings.LAUNCHPAD_TIMEOUT, limit=limit, keep_beginning=True
                )
            except http.HttpError as error:
                raise _explain(error) from None
            if response.status not in RETRIED:
                break
            time.sleep(pause)
        return response

    def branches(self, links: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Bazaar branches by their links, many in one request. Those that can't be had this way are left out."""
        found: dict[str, dict[str, Any]] = {}
        wanted = list(dict.fromkeys(link for link in links if link.startswith(self.root + "~")))
        for start in range(0, len(wanted), MAX_BRANCHES):
            names = {"lp:" + link.removeprefix(self.root): link for link in wanted[start : start + MAX_BRANCHES]}
            try:
                answer = self.get("branches", ws_op="getByUrls", urls=list(names))
            except LaunchpadError:
                break
            held = {names[name]: branch for name, branch in answer.items() if name in names}
            if not held:
                break  # it does not speak of branches
            found |= {link: branch for link, branch in held.items() if isinstance(branch, dict)}
        return found

    def collection(self, path: str, **parameters: Any) -> Collection:
        """A list on Launchpad, to be read."""
        return Collection(self, path, **parameters)

    def entries(self, path: str, **parameters: Any) -> list[Any]:
        """All the entries of a list. Raises LaunchpadError."""
        return self.collection(path, **parameters).entries()

    def me(self) -> str:
        """The username that we act as; empty when anonymous. One request the first time."""
        if self._me is None:
            try:
                self._me = str(self.get("people/+me").get("name", ""))
            except NotAccessible as problem:
                raise ConfigurationError(self.explain_refusal(problem.status), problem.status) from None
        return self._me

    def reach(self) -> None:
        """Ask for something small. Raises LaunchpadError when Launchpad is away, or does not let us in at all."""
        if not self.anonymous:
            self._me = None
            self.me()
            return
        try:
            self.get("")
        except NotAccessible as problem:
            raise ConfigurationError(self.explain_refusal(problem.status), problem.status) from None

    def explain_refusal(self, status: int) -> str:
        """What it means that Launchpad refuses what is there for everybody."""
        if status == 401 and not self.anonymous:
            return f"Launchpad does not accept the credentials any more (401). Run: {SETUP}"
        return f"Launchpad answered {status} at its service root. Check LAUNCHPAD_SERVICE_ROOT."

    def post(self, path: str, operation: str, fields: Mapping[str, Any]) -> http.Response:
        """Call a named operation that writes: one request, from any thread, and never twice.

        Returns the answer, which is 200 or 201. Raises LaunchpadError; when the answer is lost, it may be done.
        """
        url = self._below_root(self.url(path))
        form = {name: _encode(value) for name, value in fields.items() if value is not None}
        return self._write("POST", url, {}, {"ws.op": operation, **form}, (200, 201))

    def patch(self, path: str, fields: Mapping[str, Any]) -> http.Response:
        """Change fields of an entry: one request, from any thread, and never twice. As ``post`` otherwise."""
        url = self._below_root(self.url(path))
        return self._write("PATCH", url, {"Content-Type": "application/json"}, json.dumps(fields).encode(), (200, 209))

    def _write(
        self, method: str, url: str, headers: dict[str, str], data: dict[str, str] | bytes, good: tuple[int, ...]
    ) -> http.Response:
        try:
            response = http.send(
                method, url, headers=self._headers(method, url) | headers, data=data,
                timeout=self.timeout or settings.LAUNCHPAD_TIMEOUT, limit=MAX_BYTES,
            )  # fmt: skip
        except http.HttpError as error:
            raise _explain(error) from None
        if response.status in (401, 403, 404, 410):
            raise NotAccessible(response.status)
        if 400 <= response.status < 500 and response.status not in (408, 429):
            raise Refused(f"Launchpad refused it ({response.status}): {_words_of(response)}", response.status)
        is_page = "html" in response.headers.get("content-type", "")  # of a proxy, or to log in
        if response.status not in good or (response.status == 200 and is_page):
            raise TemporaryError(f"Launchpad answered {response.status} and did not take it.")
        return response

    def post_comment(self, url: str, content: str, subject: str, vote: str | None, *, is_bug: bool) -> None:
        """Comment on the proposal or bug at that URL; ``post`` says how."""
        if is_bug:
            self.post(url, "newMessage", {"content": json.dumps(content), "subject": json.dumps(subject)})
        else:
            said = {"content": json.dumps(content), "subject": json.dumps(subject), "vote": vote}
            self.post(url, "createComment", {**said, "review_type": json.dumps("Automated Testing")})

    def _open(self, number: int) -> None:
        """Have so many clients, each with a connection of its own."""
        while len(self._clients) < number:
            self._clients.append(http.Client())
            self._free.put(self._clients[-1])

    def url(self, path: str, **parameters: Any) -> str:
        """The URL of a path below the service root, with parameters (``ws_op`` stands for ``ws.op``)."""
        url = path if "://" in path else self.root + path.lstrip("/")
        if parameters:
            encoded = {key.replace("ws_", "ws."): _encode(value) for key, value in parameters.items()}
            url += ("&" if "?" in url else "?") + urlencode(encoded)
        return url

    def _below_root(self, url: str) -> str:
        """The URL, if it is Launchpad's: whatever is asked of it carries the credentials. Raises InvalidEntry."""
        steps = unquote(urlsplit(url).path).replace("\\", "/").split("/")
        if not url.startswith(self.root) or ".." in steps or "." in steps:
            raise InvalidEntry("A link points outside of Launchpad; it was not followed.")
        return url

    def _headers(self, method: str, url: str) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        self._credentials.authorizeRequest(url, method, "", headers)
        return headers

    def _fetch(self, client: http.Client, url: str) -> Any:
        """The JSON at a URL. Redirects are followed below the service root: people and projects are renamed."""
        url = self._below_root(url)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._ask(client, url)
            if response.status not in REDIRECTS:
                return _json_value(response)
            try:
                url = self._below_root(urljoin(url, response.headers.get("location", "")))
            except (InvalidEntry, ValueError):
                raise LaunchpadError("Launchpad redirected to somewhere else; it was not followed.") from None
        raise LaunchpadError("Launchpad redirected too often; it was not followed further.")

    def _ask(self, client: http.Client, url: str) -> http.Response:
        """One GET; a 502 or 503 is asked for once more."""
        response = self._ask_once(client, url)
        if response.status in RETRIED:
            time.sleep(PAUSE_SECONDS)
            response = self._ask_once(client, url)
        return response

    def _ask_once(self, client: http.Client, url: str) -> http.Response:
        with self._lock:
            self.requests += 1
        try:
            return client.send(
                "GET",
                url,
                headers=self._headers("GET", url),
                timeout=self.timeout or settings.LAUNCHPAD_TIMEOUT,
                limit=MAX_BYTES,
            )
        except http.HttpError as error:
            raise _explain(error) from None


def api_root() -> str:
    """The URL below which every entry lies, as ``https://api.launchpad.net/devel/``. No request."""
    service_root = str(uris.lookup_service_root(settings.LAUNCHPAD_SERVICE_ROOT)).rstrip("/")
    return f"{service_root.removesuffix('/' + VERSION).removesuffix('/1.0')}/{VERSION}/"


def web_root() -> str:
    """The URL below which Launchpad's pages lie, as ``https://launchpad.net/``. No request."""
    return str(uris.web_root_for_service_root(settings.LAUNCHPAD_SERVICE_ROOT))


_local = threading.local()


def get_launchpad() -> Launchpad:
    """This thread's client: connections are kept, the credentials are read once. Raises LaunchpadError."""
    path: Path = settings.LAUNCHPAD_CREDENTIALS_FILE
    changed = path.stat().st_mtime_ns if path.exists() else 0
    stamp = (settings.LAUNCHPAD_SERVICE_ROOT, str(path), changed, os.getpid())  # a fork has connections of its own
    if getattr(_local, "stamp", None) != stamp:
        _local.client, _local.stamp = Launchpad(), stamp
    client: Launchpad = _local.client
    return client


def _anonymous() -> Credentials:
    credentials = Credentials(APPLICATION)
    credentials.consumer = Consumer(APPLICATION, "")
    credentials.access_token = AnonymousAccessToken()
    return credentials


def _load(path: Path) -> Credentials:
    try:
        credentials = Credentials.load_from_path(str(path))
    except Exception:  # whatever is wrong with the file, the remedy is the same
        credentials = None
    if credentials is None or credentials.access_token is None:
        raise ConfigurationError(f"The credentials file {path.name} can't be read. Delete it and run: {SETUP}")
    return credentials


def _keeps_files(url: str, root: str) -> bool:
    """Whether Launchpad keeps files at a place: on its own site or in its librarian, over https; or on the very server
    that ``root`` is on."""
    try:
        place, api = urlsplit(url), urlsplit(root)
        host, port = place.hostname or "", place.port
    except ValueError:
        return False
    if place.username or place.password:
        return False
    if (place.scheme, place.netloc) == (api.scheme, api.netloc):
        return True
    sites = (LIBRARIAN, (api.hostname or "").removeprefix("api."))
    return place.scheme == "https" and port in (None, 443) and any(f".{host}".endswith(f".{site}") for site in sites)


def _json_value(response: http.Response) -> Any:
    """The entry, collection or list that was answered. Raises LaunchpadError."""
    if response.status in (401, 403, 404, 410):
        raise NotAccessible(response.status)
    if response.status in (502, 503, 504):  # Launchpad's own time limit ends in these as well
        raise TooMuchAsked(f"Launchpad answered {response.status}.")
    if response.status != 200:
        raise TemporaryError(f"Launchpad answered {response.status}.")
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        raise TemporaryError("Launchpad answered something that is not JSON.") from None


def _as_object(value: Any) -> dict[str, Any]:
    """The entry or collection. Raises LaunchpadError."""
    if not isinstance(value, dict):
        raise TemporaryError("Launchpad answered something that is not an entry.")
    return value


def _explain(error: http.HttpError) -> LaunchpadError:
    """Our error for one of HTTP, without URLs or tokens."""
    if isinstance(error, http.Timeout):
        return TooMuchAsked("Launchpad did not answer in time.")
    if isinstance(error, http.BodyTooLarge):
        return TooMuchAsked(f"Launchpad's answer is too large: {error}")
    if isinstance(error, http.CertificateError):
        return ConfigurationError(f"Launchpad can't be reached: {error}")
    if isinstance(error, http.ConnectionFailed):
        return TemporaryError(f"Launchpad can't be reached: {error} Check the network and LAUNCHPAD_SERVICE_ROOT.")
    return TemporaryError(f"Launchpad can't be asked: {error}")


def _words_of(response: http.Response) -> str:
    """What an answer says, as far as it is a sentence of Launchpad's."""
    text = " ".join(response.body[:2000].decode("utf-8", "replace").split())
    is_page = "html" in response.headers.get("content-type", "") or text.startswith("<")
    return "it gave no reason." if is_page or not text else shorten("".join(filter(str.isprintable, text)), 300)


def _encode(value: Any) -> str:
    """A parameter as lazr.restful wants it: JSON, but for plain words (operations, sizes and options)."""
    if isinstance(value, datetime):
        return json.dumps(value.isoformat())
    return str(value) if isinstance(value, str | int) else json.dumps(value)
