"""Which addresses are ours: where Jenkins is, and whether an address from outside lies below it."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

BUILD_WITH_PARAMETERS = "/buildWithParameters"
BUILD = re.compile(r"/job/[^/]+/(?:[^/]+/)*[0-9]+/?$")  # only to such an address `stop` is posted
QUEUE_ITEM = re.compile(r"/queue/item/([0-9]{1,18})/?$")
DEFAULT_PORTS = {"http": 80, "https": 443}


class JobAddress:
    """The job that ``JENKINS_JOB_URL`` names, with or without ``/buildWithParameters``."""

    def __init__(self, setting: str) -> None:
        url = setting.strip().split("?")[0].rstrip("/")
        self.url = url.removesuffix(BUILD_WITH_PARAMETERS).rstrip("/")
        self.root = _root_of(self.url)  # where Jenkins itself is, with a slash at its end

    @property
    def has_credentials(self) -> bool:
        """Whether a user or a password stands in the URL."""
        return "@" in self.url.partition("//")[2].partition("/")[0]

    def queue_item(self, location: str) -> str:
        """Our address of the queue item that a ``Location`` names; empty when it names none.

        Jenkins may know itself by another name than we do: the number of the item is what counts.
        """
        item = QUEUE_ITEM.search(location.split("?")[0])
        return f"{self.root}queue/item/{item.group(1)}/" if item else ""

    def contains(self, url: str) -> bool:
        """Whether the URL lies below our Jenkins however it is read; in doubt it does not."""
        if not self.root or not url.isascii() or any(char <= " " or char in "\\?#\x7f" for char in url):
            return False
        try:
            ours, theirs = urlsplit(self.root), urlsplit(url)
            same_place = _place(ours) == _place(theirs)
        except ValueError:
            return False
        # Decoded twice, as a careless proxy would, and without path parameters (`..;x`), as Java servers read it.
        path = unquote(unquote(theirs.path))
        steps = [step.split(";")[0] for step in path.split("/")]
        odd = "@" in theirs.netloc or "\\" in path or any(step in (".", "..") for step in steps)
        odd = odd or any(char < " " or char in "?#" for char in path)
        return same_place and not odd and theirs.path.startswith(ours.path)

    def contains_build(self, url: str) -> bool:
        """Whether the URL is that of a build below our Jenkins."""
        return bool(BUILD.search(url)) and self.contains(url)


def _root_of(job_url: str) -> str:
    """Where Jenkins itself is: above the first ``/job/``, or the view that the job's URL was copied from."""
    found = re.match(r"([^:/]+://[^/]*)(/.*)?$", job_url)
    if not found:
        return ""
    above = re.split(r"/(?:job|view)/", found.group(2) or "", maxsplit=1)
    return found.group(1) + (above[0].rstrip("/") if len(above) > 1 else "") + "/"


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    port = DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port
