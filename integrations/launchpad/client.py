"""Launchpad over its web service, through launchpadlib. Knows HTTP and Launchpad's words; knows no model.

Entries are read as the JSON that they are: in launchpadlib's objects every ``*_link`` attribute is one more request.
launchpadlib does what is hard: the OAuth dance, signing, finding the service root, and the cache. None needs the WADL.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httplib2
import requests
from django.conf import settings
from launchpadlib import __version__ as launchpadlib_version
from launchpadlib import uris
from launchpadlib.credentials import AnonymousAccessToken, Consumer, Credentials
from lazr.restfulclient._browser import Browser, RestfulHttp
from lazr.restfulclient.errors import HTTPError

from core.request_deadline import in_time, session_of
from integrations.launchpad.errors import ConfigurationError, InvalidEntry, LaunchpadError, NotAccessible
from reviews.models import Source

logger = logging.getLogger(__name__)

APPLICATION = "review-queue"
VERSION = "devel"
BATCH = 300  # entries; the most that Launchpad hands out at once
MAX_BATCHES = 1000
RETRIES = 1  # of a 502 or 503, one second later
FETCHERS = 4  # requests at a time, each on a connection of its own
LATELY = 600.0  # seconds
PATIENCE = 3  # failures in a row after which Launchpad counts as down
AT_ONCE = 3 * FETCHERS  # branches of a team whose proposals make one batch
BRANCHES = 40  # asked for in one request; their names must fit into a URL
UNFINISHED_PROPOSALS = ["Work in progress", "Needs review", "Approved", "Code failed to merge", "Queued"]
ALL_PROPOSALS = [*UNFINISHED_PROPOSALS, "Rejected", "Merged", "Superseded"]
OPEN_TASKS = [
    "New", "Incomplete", "Incomplete (with response)", "Incomplete (without response)", "Confirmed", "Triaged",
    "In Progress", "Fix Committed",
]  # fmt: skip
CLOSED_TASKS = ["Opinion", "Invalid", "Won't Fix", "Expired", "Fix Released"]
LINKED_BRANCHES = "Show only Bugs with linked Branches"


class _Reader:
    """What reading takes of launchpadlib: one authorised connection with bounded retries.

    With a ``cache`` folder, what was fetched before is only asked for again if it changed (ETag).
    """

    def __init__(self, credentials: Credentials, cache: str | None) -> None:
        agent = f"launchpadlib {launchpadlib_version}; application={APPLICATION}"
        self.requests = 0
        self.root = api_root()
        # False: lazr.restfulclient would make a folder of its own for None.
        self.browser = Browser(self, credentials, cache or False, settings.LAUNCHPAD_TIMEOUT, None, agent, RETRIES)

    def httpFactory(self, credentials: Credentials, cache: Any, timeout: float, proxy_info: Any) -> Any:
        connection = RestfulHttp(credentials, cache or None, timeout, proxy_info)
        ask = connection.request

        def counted(uri: str, *args: Any, **kwargs: Any) -> Any:
            # Redirects come by here too: elsewhere they would carry our credentials along.
            if not uri.startswith(self.root):
                raise LaunchpadError("Launchpad redirected to somewhere else; it was not followed.")
            self.requests += 1
            return ask(uri, *args, **kwargs)

        connection.request = counted
        # Here and not around the whole: what was cut off must not get into the cache.
        connection._conn_request = in_time(connection._conn_request, timeout)
        return connection


class Launchpad:
    """One client; not thread-safe, so ``get_launchpad`` keeps one for each thread."""

    def __init__(self) -> None:
        self.path: Path = settings.LAUNCHPAD_CREDENTIALS_FILE
        self.anonymous = not self.path.exists()
        folder = settings.VAR_DIR / "launchpad-cache"
        folder.mkdir(parents=True, exist_ok=True)
        self._cache, self.root = str(folder), api_root()
        self._identity = self._credentials()
        self._readers = [self._reader()]
        self._me: str | None = "" if self.anonymous else None
        self._asked: dict[str, float] = {}

    def _reader(self, cache: str | None = None) -> _Reader:
        with _in_words():
            return _Reader(self._identity, cache)

    @cached_property
    def _keeping(self) -> _Reader:
        """The connection for entries that are asked for again and again."""
        return self._reader(self._cache)

    def _credentials(self) -> Credentials:
        if self.anonymous:
            credentials = Credentials(APPLICATION)
            credentials.consumer = Consumer(APPLICATION, "")
            credentials.access_token = AnonymousAccessToken()
            return credentials
        try:
            credentials = Credentials.load_from_path(str(self.path))
        except Exception:
            credentials = None
        if credentials is None or credentials.access_token is None:
            raise LaunchpadError(
                f"The credentials file {self.path.name} can't be read. "
                "Delete it and run: manage.py setup_launchpad_credentials"
            )
        return credentials

    @property
    def requests(self) -> int:
        """How many requests for reading this client has made."""
        kept = self.__dict__.get("_keeping")
        return sum(reader.requests for reader in self._readers) + (kept.requests if kept else 0)

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """The JSON object at a URL or path below the service root. Raises NotAccessible or LaunchpadError."""
        return self._get(self._readers[0], path, parameters)

    def get_again(self, path: str) -> dict[str, Any]:
        """``get`` for an entry that was probably fetched before: nothing is sent when it did not change."""
        return self._get(self._keeping, path, {})

    def asked_lately(self, path: str) -> bool:
        """Whether ``note_asked`` was told of it in the last minutes: what seldom changes is not asked for again."""
        return time.monotonic() - self._asked.get(path, -LATELY) < LATELY

    def note_asked(self, path: str) -> None:
        """The path was asked for just now, and the answer is kept elsewhere."""
        self._asked[path] = time.monotonic()

    def get_many(self, paths: Iterable[str]) -> dict[str, dict[str, Any] | LaunchpadError]:
        """``get`` for each of the paths, a few at a time: what was answered, or what was wrong with it."""
        wanted = list(dict.fromkeys(paths))

        def fetch(path: str) -> dict[str, Any] | LaunchpadError:
            reader = free.get()
            try:
                return self._get(reader, path, {})
            except LaunchpadError as problem:
                return problem
            finally:
                free.put(reader)

        if not wanted:
            return {}
        while len(self._readers) < min(FETCHERS, len(wanted)):
            self._readers.append(self._reader())
        free: queue.SimpleQueue[_Reader] = queue.SimpleQueue()
        for reader in self._readers:
            free.put(reader)
        if len(wanted) == 1:
            return {wanted[0]: fetch(wanted[0])}
        with ThreadPoolExecutor(max_workers=FETCHERS) as pool:
            return dict(zip(wanted, pool.map(fetch, wanted), strict=True))

    def branches(self, links: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Bazaar branches by their links, many in one request. Those that can't be had this way are left out."""
        found: dict[str, dict[str, Any]] = {}
        wanted = list(dict.fromkeys(link for link in links if link.startswith(self.root + "~")))
        for start in range(0, len(wanted), BRANCHES):
            names = {"lp:" + link.removeprefix(self.root): link for link in wanted[start : start + BRANCHES]}
            try:
                answer = self.get("branches", ws_op="getByUrls", urls=list(names))
            except LaunchpadError:
                break
            held = {names[name]: branch for name, branch in answer.items() if name in names}
            if not held:
                break  # it does not speak of branches
            found |= {link: branch for link, branch in held.items() if isinstance(branch, dict)}
        return found

    def _url(self, path: str, parameters: dict[str, Any]) -> str:
        url = path if "://" in path else self.root + path.lstrip("/")
        if parameters:
            encoded = {key.replace("ws_", "ws."): _encode(value) for key, value in parameters.items()}
            url += ("&" if "?" in url else "?") + urlencode(encoded)
        return url

    def _ours(self, url: str) -> str:
        """The URL, if it is Launchpad's: whatever is asked of it carries the credentials. Raises InvalidEntry."""
        if not url.startswith(self.root):
            raise InvalidEntry("A link points outside of Launchpad; it was not followed.")
        return url

    def _get(self, reader: _Reader, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        url = self._ours(self._url(path, parameters))
        with _in_words():
            body = reader.browser.get(url)
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise LaunchpadError("Launchpad answered something that is not JSON.") from None
        if not isinstance(value, dict):
            raise LaunchpadError("Launchpad answered something that is not an entry.")
        return value

    def batches(self, path: str, **parameters: Any) -> Iterator[list[Any]]:
        """The entries of a collection, batch by batch."""
        yield from self._from_page(self.get(path, ws_size=BATCH, **parameters))

    def _from_page(self, page: dict[str, Any]) -> Iterator[list[Any]]:
        followed: set[str] = set()
        for _ in range(MAX_BATCHES):
            entries = page.get("entries")
            if not isinstance(entries, list):
                raise LaunchpadError("Launchpad answered a collection without entries.")
            yield entries
            following = page.get("next_collection_link")
            if not isinstance(following, str) or not entries:
                return
            if following in followed:
                raise LaunchpadError("Launchpad answered a collection that leads back into itself.")
            followed.add(following)
            page = self.get(following)

    def entries(self, path: str, **parameters: Any) -> list[Any]:
        """All the entries of a collection."""
        return [entry for batch in self.batches(path, **parameters) for entry in batch]

    def me(self) -> str:
        """The username that we act as; empty when anonymous. One request the first time."""
        if self._me is None:
            try:
                self._me = str(self.get("people/+me").get("name", ""))
            except NotAccessible as gone:
                raise ConfigurationError(self.refusal(gone.status), gone.status) from None
        return self._me

    def reach(self) -> None:
        """Ask for something small: raises LaunchpadError when Launchpad is away, or does not let us in at all."""
        if not self.anonymous:
            self._me = None
            self.me()
            return
        try:
            self.get("")
        except NotAccessible as gone:
            raise ConfigurationError(self.refusal(gone.status), gone.status) from None

    def refusal(self, status: int) -> str:
        """What it means, in words, that Launchpad refuses what is there for everybody."""
        if status == 401 and not self.anonymous:
            return (
                "Launchpad does not accept the credentials any more (401). Run: manage.py setup_launchpad_credentials"
            )
        return f"Launchpad answered {status} at its service root. Check LAUNCHPAD_SERVICE_ROOT."

    def post_comment(self, url: str, content: str, subject: str, vote: str | None, *, is_bug: bool) -> None:
        """Comment on the proposal or bug at that URL: one request, from any thread. Raises LaunchpadError.

        Not by launchpadlib, which sends a request again when its answer is lost: the comment may be there by then.
        """
        fields = {"content": json.dumps(content), "subject": json.dumps(subject)}
        fields["ws.op"] = "newMessage" if is_bug else "createComment"
        if not is_bug:
            fields["review_type"] = json.dumps("Automated Testing")
            fields |= {"vote": vote} if vote else {}
        headers = {"Accept": "application/json"}
        self._identity.authorizeRequest(self._ours(url), "POST", "", headers)
        deadline = time.monotonic() + settings.LAUNCHPAD_TIMEOUT
        with _in_words(), session_of(settings.LAUNCHPAD_TIMEOUT) as session:
            answer = session.post(
                url, data=fields, headers=headers, timeout=settings.LAUNCHPAD_TIMEOUT, allow_redirects=False,
                auth=lambda request: request,  # no password of a .netrc file in place of ours
            )  # fmt: skip
        if time.monotonic() >= deadline:  # cut off; whether it is there is looked up before it is posted again
            raise LaunchpadError("Launchpad did not answer in time.")
        if answer.status_code in (401, 403, 404, 410):
            raise NotAccessible(answer.status_code)
        is_page = "html" in answer.headers.get("Content-Type", "")  # of a proxy, or to log in
        if answer.status_code not in (200, 201) or (answer.status_code == 200 and is_page):
            raise LaunchpadError(f"Launchpad answered {answer.status_code} and took no comment.")

    def source_batches(
        self, source: Source, *, include_closed: bool, since: datetime | None, skipped: Callable[[str], None]
    ) -> Iterator[list[Any]]:
        """The entries that a source holds, batch by batch, in the fewest requests (reference: where items are).

        ``skipped`` is told, in words, of a part that could not be read while the rest can.
        """
        kind, name = source.kind, quote(source.target.strip("/"), safe="~/+.-")
        statuses = ALL_PROPOSALS if include_closed else UNFINISHED_PROPOSALS
        if kind == Source.Kind.PROJECT:
            yield from self.batches(name, ws_op="getMergeProposals", status=statuses)
        elif kind == Source.Kind.REQUESTED_REVIEWS:
            yield from self.batches("~" + name.lstrip("~"), ws_op="getRequestedReviews", status=statuses)
        elif kind == Source.Kind.GIT_REPOSITORY:
            if include_closed:
                yield from self.batches(name, ws_op="getMergeProposals", status=statuses)
            else:
                yield from self.batches(name + "/landing_candidates")
        elif kind == Source.Kind.DISTRIBUTION_BUGS:
            more: dict[str, Any] = {"modified_since": since} if since else {}
            if source.excluded_tags and not include_closed:
                more |= {"tags": [f"-{tag}" for tag in source.excluded_tags], "tags_combinator": "All"}
            wanted = OPEN_TASKS + (CLOSED_TASKS if include_closed or since else [])
            for batch in self.batches(
                name, ws_op="searchTasks", status=wanted, linked_branches=LINKED_BRANCHES, **more
            ):
                yield [entry for entry in batch if "+source" not in str(_dict(entry).get("web_link"))]
        else:
            yield from self._team_proposals(source, name, statuses, skipped)

    def _team_proposals(
        self, source: Source, name: str, statuses: list[str], skipped: Callable[[str], None]
    ) -> Iterator[list[Any]]:
        """A request a branch, a few at a time; what some branches hold makes one batch."""
        prefix = f"{self.root}{source.distribution}/" if source.distribution else self.root
        failures = 0
        for branches in self.batches("~" + name.lstrip("~"), ws_op="getBranches"):
            links = []
            for branch in branches:
                package, link = _dict(branch).get("sourcepackage_link"), _dict(branch).get("self_link")
                if isinstance(package, str) and package.startswith(prefix) and isinstance(link, str):
                    links.append(link)
            for start in range(0, len(links), AT_ONCE):
                asked = {
                    self._url(link, {"ws_size": BATCH, "ws_op": "getMergeProposals", "status": statuses}): link
                    for link in links[start : start + AT_ONCE]
                }
                held: list[Any] = []
                for url, page in self.get_many(asked).items():
                    try:
                        if isinstance(page, LaunchpadError):
                            raise page
                        for batch in self._from_page(page):
                            held += batch
                        failures = 0
                    except LaunchpadError as problem:
                        failures = 0 if isinstance(problem, NotAccessible) else failures + 1
                        if failures >= PATIENCE:
                            yield held
                            raise
                        skipped(f"{asked[url][:200]}: {problem}")
                if held:
                    yield held


def api_root() -> str:
    """The URL below which every entry lies, as ``https://api.launchpad.net/devel/``. No request."""
    service_root = str(uris.lookup_service_root(settings.LAUNCHPAD_SERVICE_ROOT)).rstrip("/")
    return f"{service_root.removesuffix('/' + VERSION).removesuffix('/1.0')}/{VERSION}/"


_local = threading.local()


def get_launchpad() -> Launchpad:
    """This thread's client: connections are kept, the credentials are read once. Raises LaunchpadError."""
    path: Path = settings.LAUNCHPAD_CREDENTIALS_FILE
    stamp = (settings.LAUNCHPAD_SERVICE_ROOT, str(path), path.stat().st_mtime_ns if path.exists() else 0)
    if getattr(_local, "stamp", None) != stamp:
        _local.client, _local.stamp = Launchpad(), stamp
    client: Launchpad = _local.client
    return client


class _in_words:
    """Turns what launchpadlib and httplib2 raise into LaunchpadError, without URLs or tokens."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, LaunchpadError) or not isinstance(error, Exception):
            return
        if isinstance(error, HTTPError):
            status = int(getattr(error.response, "status", 0))
            if status in (401, 403, 404, 410):
                raise NotAccessible(status) from None
            raise LaunchpadError(f"Launchpad answered {status}.") from None
        if isinstance(error, httplib2.ServerNotFoundError):
            raise LaunchpadError("Launchpad's host name is not known. Check LAUNCHPAD_SERVICE_ROOT.") from None
        if isinstance(error, TimeoutError | requests.Timeout):
            raise LaunchpadError("Launchpad did not answer in time.") from None
        if isinstance(error, OSError):
            raise LaunchpadError("Launchpad can't be reached.") from None
        raise LaunchpadError(f"Launchpad's answer makes no sense ({type(error).__name__}).") from None


def _encode(value: Any) -> str:
    """A parameter as lazr.restful wants it: JSON, but for plain words (operations, sizes and options)."""
    if isinstance(value, datetime):
        return json.dumps(value.isoformat())
    return str(value) if isinstance(value, str | int) else json.dumps(value)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
