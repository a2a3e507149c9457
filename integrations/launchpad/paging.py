"""Reading a collection of Launchpad's so that nothing falls between two of its pages.

A page is addressed by its place in a list that changes meanwhile: whatever leaves the list moves what follows into the
place of what was read already. So the total is compared with what was read, and the list is read again when they
differ. A list that takes Launchpad too long is asked for in smaller batches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import structlog
from django.core.cache import cache

from integrations.launchpad.entries import CollectionPage, parse
from integrations.launchpad.errors import InvalidEntry, LaunchpadError, TemporaryError, TooMuchAsked

if TYPE_CHECKING:
    from integrations.launchpad.client import Launchpad

logger = structlog.get_logger(__name__)

SIZES = (300, 75, 20, 5)  # entries of a batch; the first is the most that Launchpad hands out at once
MAX_PAGES = 2000
MAX_ENTRIES = 20_000  # of a list that is taken as a whole
MAX_READS = 3  # of one list that changes each time
KEPT_SECONDS = 3600  # how long a list's batch size, and what of it nobody can see, is remembered


class Collection:
    """One list on Launchpad, read once: ``batches`` or ``entries``. Afterwards:

    ``missing`` is how many entries its total counts that were not read (hidden from us, or not answered),
    ``is_moving`` whether entries may have been overlooked, because the list changed each time it was read.
    """

    def __init__(self, launchpad: Launchpad, path: str, **parameters: Any) -> None:
        self._launchpad, self._path = launchpad, path
        name = f"{launchpad.url(path)} {parameters.get('ws_op', '')}"  # whatever else is asked of it
        self._key = "launchpad-list:" + hashlib.sha256(name.encode()).hexdigest()
        kept = cache.get(self._key + ":size")
        self._size: int = kept if kept in SIZES else SIZES[0]
        self.first_url = launchpad.url(path, ws_size=self._size, **parameters)  # of its first page
        self.missing = 0
        self.is_moving = False

    def entries(self) -> list[Any]:
        """All of it. Raises LaunchpadError."""
        entries: list[Any] = []
        for batch in self.batches():
            entries += batch
            if len(entries) > MAX_ENTRIES:
                raise TemporaryError(f"Launchpad answered a collection of more than {MAX_ENTRIES} entries.")
        return entries

    def batches(self, first: dict[str, Any] | LaunchpadError | None = None) -> Iterator[list[Any]]:
        """Batch by batch, each entry once; ``first`` is what ``first_url`` answered. Raises LaunchpadError.

        Read again, a few times at most, when entries may have moved out of sight.
        """
        yielded: set[str] = set()
        short_before: int | None = cache.get(self._key + ":missing")
        for turn in range(MAX_READS):
            links: set[str] = set()
            nameless, pages, total, shrunk = 0, 0, None, False
            for page in self._pages(first if turn == 0 else None):
                pages += 1
                shrunk = shrunk or _is_less(page.total_size, total)
                total = page.total_size if page.total_size is not None else total
                batch = []
                for entry in page.entries:
                    link = entry.get("self_link") if isinstance(entry, dict) else None
                    if not isinstance(link, str):
                        nameless += 1
                        if turn == 0:
                            batch.append(entry)
                        continue
                    if link not in yielded:
                        batch.append(entry)
                    links.add(link)
                    yielded.add(link)
                yield batch
            self.missing = max(0, total - len(links) - nameless) if total is not None else 0
            # What is missing every time is hidden from us; on a single page nothing can move.
            if pages <= 1 or (not shrunk and self.missing in (0, short_before)):
                if self.missing and pages > 1:
                    cache.set(self._key + ":missing", self.missing, KEPT_SECONDS)
                return
            short_before = self.missing
        self.is_moving = True

    def _pages(self, first: dict[str, Any] | LaunchpadError | None) -> Iterator[CollectionPage]:
        url, is_answering = _with_size(self.first_url, self._size), False
        followed = {url}
        for _ in range(MAX_PAGES):
            answer = self._get(url) if first is None else first
            if isinstance(answer, TooMuchAsked):
                answer = self._get_less(url, is_answering)
            if isinstance(answer, LaunchpadError):
                raise answer
            first, is_answering = None, True
            try:
                page = parse(CollectionPage, answer)
            except InvalidEntry:
                raise TemporaryError("Launchpad answered a collection without entries.") from None
            yield page
            if not page.next_collection_link:
                return
            url = _with_size(page.next_collection_link, self._size)
            if url in followed:
                raise TemporaryError("Launchpad answered a collection that leads back into itself.")
            followed.add(url)
        raise TemporaryError(f"Launchpad answered a collection of more than {MAX_PAGES} pages.")

    def _get(self, url: str) -> dict[str, Any] | TooMuchAsked:
        try:
            return self._launchpad.get(url)
        except TooMuchAsked as problem:
            return problem

    def _get_less(self, url: str, is_answering: bool) -> dict[str, Any] | TooMuchAsked:
        """The page in the largest batch that works, which is kept for a while. Raises LaunchpadError."""
        if not is_answering:
            self._launchpad.reach()  # when nothing is answered, asking for less does not help
        answer: dict[str, Any] | TooMuchAsked = TooMuchAsked("Launchpad does not answer even the smallest batch.")
        for size in [size for size in SIZES if size < self._size]:
            logger.warning("list read in smaller batches", path=self._path, size=size)
            answer, self._size = self._get(_with_size(url, size)), size
            if not isinstance(answer, TooMuchAsked):
                break
        cache.set(self._key + ":size", self._size, KEPT_SECONDS)
        return answer


def _is_less(now: int | None, before: int | None) -> bool:
    return now is not None and before is not None and now < before


def _with_size(url: str, size: int) -> str:
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "ws.size"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("ws.size", str(size))])))
