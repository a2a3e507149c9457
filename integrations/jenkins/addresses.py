"""Addresses: where the job and its Jenkins are, and which build an address from outside names.

Jenkins may know itself by another scheme, host, port or prefix than we do, and builds report that name. So only the
path below the job counts, segment by segment; what comes out is always an address below our ``JENKINS_JOB_URL``, never
what came in.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, quote, unquote, unquote_to_bytes, urlsplit

from core.web_urls import is_web_url

BUILD_WITH_PARAMETERS = "buildWithParameters"
MAX_JOB_URL = 900  # characters: the address of a build has to fit into 1,000
NUMBER = re.compile(r"[0-9]{1,18}")
QUEUE_ITEM = re.compile(r"/queue/item/([0-9]{1,18})/?$")
CONTROLS = re.compile(r"[\x00-\x20\x7f]")
SAFE = "%~$,=+@!&':;()*"  # what stands in a segment for itself, when a setting is written out as a URL


class JobAddress:
    """The job that ``JENKINS_JOB_URL`` names, with or without ``/buildWithParameters``, perhaps through a view."""

    def __init__(self, setting: str) -> None:
        self.setting = setting.strip()
        self._parts = _split(self.setting)
        segments = _segments(self._parts.path.rstrip("/"))
        if segments[-1:] == [BUILD_WITH_PARAMETERS]:
            segments.pop()
        self._prefix, self._names, self._rest = _take_apart(segments)

    @property
    def root(self) -> str:
        """Where Jenkins itself is, with a slash at its end."""
        return self._url([*self._prefix, ""])

    @property
    def url(self) -> str:
        """The job's own address, without a slash at its end."""
        return self._url(self._path + self._rest) if self.setting else ""

    @property
    def problem(self) -> str:
        """What is wrong with the setting and how to mend it, in words that repeat no secret; empty when it is fine."""
        if "@" in self._parts.netloc:
            return "JENKINS_JOB_URL holds credentials. Take them out; set JENKINS_USER and JENKINS_API_TOKEN instead."
        if not is_web_url(self.setting):
            return "JENKINS_JOB_URL is not an http or https URL."
        if self._parts.fragment:
            return "JENKINS_JOB_URL holds a #. In the name of a job write it as %23."
        if len(self.setting) > MAX_JOB_URL:
            return f"JENKINS_JOB_URL is longer than {MAX_JOB_URL} characters."
        if self._names and self._rest:
            what, mend = f"/{self._rest[0]}, which is below the job", ""
            if self._rest == ["build"]:
                what, mend = "/build, which takes no parameters", " A token belongs into JENKINS_TOKEN."
            elif NUMBER.fullmatch(self._rest[0]):
                what = "the number of a build"
            return f"JENKINS_JOB_URL ends in {what}. Set it to the job's own address: {self._url(self._path)}.{mend}"
        is_view = "view" in _segments(self._parts.path)
        if not self._names and (is_view or not self._rest):
            return (
                f"JENKINS_JOB_URL is the address of {'a view' if is_view else 'Jenkins itself'}, not of a job. "
                "Open the job in Jenkins and copy its address: it has /job/ in it."
            )
        return ""

    def build_url(self, number: int | str) -> str:
        """The address of a build of the job."""
        return f"{self.url}/{number}/"

    def build(self, url: str) -> str:
        """Our address of the build of this job that the URL names; empty when it names anything else."""
        below = self._below(url)
        return self.build_url(below[0]) if below and len(below) == 1 and NUMBER.fullmatch(below[0]) else ""

    def is_part_of_build(self, url: str) -> bool:
        """Whether the URL names a part of a build of this job, as a matrix job's cell or a page of the build."""
        below = self._below(url)
        if not below or len(below) < 2 or "job" in below:
            return False
        return bool(NUMBER.fullmatch(below[0]) or NUMBER.fullmatch(below[-1]))

    def is_job(self, url: str) -> bool:
        """Whether the URL names this job itself, by whatever name Jenkins has for itself."""
        return self._below(url) == []

    def moved_to(self, location: str) -> str:
        """The job's address where a redirect leads to the same job under another name; else empty."""
        other = JobAddress(location.split("?")[0])
        is_same_job = bool(other._names) and _decoded(other._names) == _decoded(self._names)
        return other.url if is_same_job and not other.problem and other.url != self.url else ""

    def sibling(self, url: str) -> str:
        """The address, on this job's Jenkins, of the job that the URL of a job names; empty when it names none."""
        other = JobAddress(url)
        path = [*self._prefix, *(segment for name in other._names for segment in ("job", name))]
        return self._url(path) if other._names and not other._rest else ""

    def queue_item(self, location: str) -> str:
        """Our address of the queue item that a URL or a path names by its number; empty when it names none."""
        item = QUEUE_ITEM.search(location.split("?")[0])
        return self.queue_item_url(item.group(1)) if item else ""

    def queue_item_url(self, number: int | str) -> str:
        """The address of a queue item."""
        return f"{self.root}queue/item/{number}/"

    def queue_item_number(self, url: str) -> str:
        """The number in the address of a queue item; empty when it is none."""
        item = QUEUE_ITEM.search(url)
        return item.group(1) if item else ""

    @property
    def _path(self) -> list[str]:
        """The job's segments, without any view on the way."""
        return [*self._prefix, *(segment for name in self._names for segment in ("job", name))]

    def _url(self, segments: list[str]) -> str:
        path = "".join("/" + quote(segment, safe=SAFE) for segment in segments)
        return f"{self._parts.scheme}://{self._parts.netloc}{path}" if self._parts.netloc else ""

    def _below(self, url: str) -> list[str] | None:
        """The segments of a URL's path below the job, decoded; None when it does not lie there.

        In doubt it does not: a path that anybody could read in two ways names no build.
        """
        if CONTROLS.search(url) or any(char in url for char in "\\?#") or not is_web_url(url):
            return None
        parts = urlsplit(url)
        segments = _segments(parts.path)
        if "@" in parts.netloc or any(_is_ambiguous(segment) for segment in segments):
            return None
        _, names, rest = _take_apart(segments)
        if _decoded(names) != _decoded(self._names):
            return None
        below = len(self._rest)  # a job at an address without /job/, which a proxy made up
        return rest[below:] if _decoded(rest[:below]) == _decoded(self._rest) else None


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # a bracket without its other
        return SplitResult("", "", "", "", "")


def _segments(path: str) -> list[str]:
    """The segments of a path as they are written; two slashes in a row make an empty one."""
    path = path.removeprefix("/").removesuffix("/")
    return path.split("/") if path else []


def _take_apart(segments: list[str]) -> tuple[list[str], list[str], list[str]]:
    """A path's prefix before the first job, the names of its folders and job, and what follows; views are left out."""
    places = [place for place, segment in enumerate(segments) if segment in ("job", "view")]
    if not places:
        return [], [], segments
    names, place = [], places[0]
    while place + 1 < len(segments) and segments[place] in ("job", "view"):
        if segments[place] == "job":
            names.append(segments[place + 1])
        place += 2
    return segments[: places[0]], names, segments[place:]


def _decoded(segments: list[str]) -> list[bytes]:
    return [unquote_to_bytes(segment) for segment in segments]


def _is_ambiguous(segment: str) -> bool:
    """Whether a segment is empty, or steps elsewhere, or holds what servers read in different ways."""
    decoded = unquote(segment)
    twice = unquote(decoded)
    if twice.split(";")[0] in ("", ".", "..") or "/" in decoded:
        return True
    return any(char < " " or char in "\\\x7f" for char in twice)
