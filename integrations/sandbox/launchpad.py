"""The sandbox's Launchpad: the WADL that launchpadlib ships, entries complete by it, and the operations that we use."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import launchpadlib.testing

from integrations.sandbox.serving import Answer, Request, SandboxServer, json_answer

WADL_BASE = "https://api.launchpad.test/1.0/"
UNFINISHED = {"Work in progress", "Needs review", "Approved", "Code failed to merge", "Queued"}
BATCH, LARGEST_BATCH = 75, 300
GRANT_AFTER = 2  # looks at the request token until access is granted

Entry = dict[str, Any]


@cache
def wadl() -> str:
    """The WADL as launchpadlib ships it."""
    return (Path(launchpadlib.testing.__file__).parent / "launchpad-wadl.xml").read_text()


@cache
def fields_of(kind: str) -> tuple[str, ...]:
    """The fields of an entry of a kind, by the WADL."""
    found = re.search(rf'<wadl:representation[^>]*id="{kind}-full".*?</wadl:representation>', wadl(), re.DOTALL)
    if not found:
        raise ValueError(f"the WADL knows no {kind}")
    return tuple(re.findall(r'<wadl:param[^>]*name="([^"]+)"', found.group(0)))


class SandboxLaunchpad(SandboxServer):
    """A Launchpad whose world is made by calling ``add_…`` and moved by ``comment``, ``push`` and ``set_status``."""

    def __init__(self, port: int = 0, *, seed: int = 1) -> None:
        super().__init__(port, seed=seed)
        self.root = self.url + "devel/"
        self.entries: dict[str, Entry] = {}
        self.collections: dict[str, list[str]] = {}
        self.proposals: list[str] = []
        self.tasks: list[str] = []
        self.branches: dict[str, list[str]] = {}  # by owner
        self.asked: dict[str, list[str]] = {}  # proposals by who was asked to review
        self.tokens: dict[str, str] = {"sandbox-token": "queue-bot"}
        self.polls: dict[str, int] = {}
        self.posts: list[dict[str, str]] = []  # comments made by API
        self.deny = False
        self.number = 0
        self.add_person("queue-bot", "Review Queue")

    # --- the world -----------------------------------------------------------------------------------------

    def put(self, kind: str, path: str, /, **fields: Any) -> Entry:
        """An entry, complete by the WADL: links to collections are there, everything else is null unless given."""
        entry: Entry = dict.fromkeys(fields_of(kind))
        for name in entry:
            if name.endswith("_collection_link"):
                entry[name] = f"{self.root}{path}/{name.removesuffix('_collection_link')}"
        page = "" if path.startswith("bugs/") else path
        entry |= {
            "self_link": self.root + path,
            "web_link": self.url + (page or path),
            "resource_type_link": f"{self.root}#{kind}",
        }
        entry |= fields
        with self.lock:
            self.entries[path] = self._sealed(entry)
        return entry

    def _sealed(self, entry: Entry) -> Entry:
        facts = {name: value for name, value in entry.items() if name != "http_etag"}
        digest = hashlib.sha1(json.dumps(facts, default=str).encode(), usedforsecurity=False).hexdigest()
        entry["http_etag"] = f'"{digest}"'
        return entry

    def change(self, path: str, /, **fields: Any) -> None:
        """Change fields of an entry."""
        with self.lock:
            self.entries[path] |= fields
            self._sealed(self.entries[path])

    def delete(self, path: str) -> None:
        """The entry is gone."""
        with self.lock:
            self.entries.pop(path, None)
            for listed in (self.proposals, self.tasks):
                if path in listed:
                    listed.remove(path)

    def add_person(self, name: str, display_name: str) -> str:
        self.put("person", "~" + name, name=name, display_name=display_name, is_team=False, is_valid=True, karma=7)
        return "~" + name

    def add_team(self, name: str, display_name: str, members: Iterable[str]) -> str:
        path = "~" + name
        self.put("person", path, name=name, display_name=display_name, is_team=True, is_valid=True, karma=0)
        people = ["~" + member for member in members]
        self.collections[path + "/members"] = self.collections[path + "/participants"] = people
        return path

    def add_series(self, distribution: str, name: str, *, active: bool) -> str:
        path = f"{distribution}/{name}"
        self.put("distro_series", path, name=name, displayname=name.title(), active=active,
                 distribution_link=self.root + distribution)  # fmt: skip
        return path

    def add_branch(self, owner: str, location: str) -> str:
        """A Bazaar branch ``~owner/location``; of a package when the location has four parts."""
        path = f"~{owner}/{location}"
        parts = location.split("/")
        package = f"{self.root}{parts[0]}/{parts[1]}/+source/{parts[2]}" if len(parts) == 4 else None
        self.put(
            "branch", path, bzr_identity=f"lp:{path}", unique_name=path, display_name=f"lp:{path}", name=parts[-1],
            owner_link=f"{self.root}~{owner}", sourcepackage_link=package, last_scanned_id=f"{owner}@example.com-1",
            private=False, lifecycle_status="Development", revision_count=1,
        )  # fmt: skip
        self.branches.setdefault(owner, []).append(path)
        return path

    def add_repository(self, owner: str, project: str, name: str) -> str:
        path = f"~{owner}/{project}/+git/{name}"
        self.put(
            "git_repository", path, unique_name=path, name=name, display_name=f"lp:{path}", private=False,
            owner_link=f"{self.root}~{owner}", git_https_url=f"https://git.launchpad.test/{path}",
            git_identity=f"lp:{path}",
        )  # fmt: skip
        return path

    def add_proposal(
        self, source: str, target: str, *, registrant: str, status: str = "Needs review", created: datetime,
        git_path: str = "", asked: Iterable[str] = (), description: str = "",
    ) -> str:  # fmt: skip
        """A merge proposal from branch to branch, or, with ``git_path``, from repository to repository."""
        self.number += 1
        path = f"{source}/+merge/{self.number}"
        if git_path:
            sides = {
                "source_git_repository_link": self.root + source, "source_git_path": f"refs/heads/{git_path}",
                "target_git_repository_link": self.root + target, "target_git_path": "refs/heads/master",
            }  # fmt: skip
            self.put("git_ref", f"{source}/+ref/{git_path}", path=f"refs/heads/{git_path}",
                     repository_link=self.root + source, commit_sha1=self._sha(path, 0))  # fmt: skip
        else:
            sides = {"source_branch_link": self.root + source, "target_branch_link": self.root + target}
        self.put(
            "branch_merge_proposal", path, queue_status=status, registrant_link=f"{self.root}~{registrant}",
            date_created=stamp(created), date_review_requested=stamp(created), description=description, private=False,
            address=f"mp+{self.number}@code.launchpad.test", **sides,
        )  # fmt: skip
        self.collections[path + "/all_comments"] = []
        self.proposals.append(path)
        for name in asked:
            self.asked.setdefault(name, []).append(path)
        self.push(path)
        return path

    def push(self, path: str) -> None:
        """A new tip, and the preview diff of it."""
        entry = self.entries[path]
        self.number += 1
        tip = self._sha(path, self.number)
        if entry["source_branch_link"]:
            tip = f"{path.split('/')[0].strip('~')}@example.com-{self.number}"
            self.change(entry["source_branch_link"].removeprefix(self.root), last_scanned_id=tip)
        else:
            repository = entry["source_git_repository_link"].removeprefix(self.root)
            self.change(f"{repository}/+ref/{entry['source_git_path'].removeprefix('refs/heads/')}", commit_sha1=tip)
        diff = f"{path}/+preview-diff/{self.number}"
        self.put("preview_diff", diff, id=self.number, source_revision_id=tip, target_revision_id="trunk-1",
                 stale=False, branch_merge_proposal_link=self.root + path)  # fmt: skip
        self.change(path, preview_diff_link=self.root + diff)

    def set_status(self, path: str, status: str) -> None:
        """Of a proposal or a bug task."""
        now = stamp(datetime.now(UTC))
        entry = self.entries[path]
        if "queue_status" in entry:
            more = {"date_merged": now} if status == "Merged" else {}
            self.change(path, queue_status=status, date_reviewed=now, **more)
            return
        self.change(path, status=status, date_left_new=entry["date_left_new"] or now)
        self.change(entry["bug_link"].removeprefix(self.root), date_last_updated=now)

    def add_bug(
        self, distribution: str, title: str, *, owner: str, branch: str | None, created: datetime, status: str = "New",
        tags: Iterable[str] = (), package: str = "",
    ) -> str:  # fmt: skip
        """A bug with a task in the distribution, and perhaps a linked branch."""
        self.number += 1
        bug = f"bugs/{1000000 + self.number}"
        number = bug.removeprefix("bugs/")
        path = f"{distribution}/{'+source/' + package + '/' if package else ''}+bug/{number}"
        self.put(
            "bug", bug, id=int(number), title=title, tags=list(tags), owner_link=f"{self.root}~{owner}", private=False,
            date_created=stamp(created), date_last_updated=stamp(created), date_last_message=stamp(created),
            message_count=0, description=f"Please review {title}",
        )  # fmt: skip
        self.collections[bug + "/messages"] = []
        self.collections[bug + "/linked_branches"] = []
        if branch:
            link = f"{branch}/+bug/{number}"
            self.put("bug_branch", link, branch_link=self.root + branch, bug_link=self.root + bug)
            self.collections[bug + "/linked_branches"].append(link)
        left = None if status == "New" else stamp(created)
        self.put(
            "bug_task", path, title=f'Bug #{number} in {distribution}: "{title}"', bug_link=self.root + bug,
            status=status, owner_link=f"{self.root}~{owner}", date_created=stamp(created), date_left_new=left,
            target_link=self.root + distribution, bug_target_name=distribution, importance="Undecided",
            web_link=f"{self.url}{path}",
        )  # fmt: skip
        self.tasks.append(path)
        self.comment(path, owner, f"Please review {title}", when=created)
        return path

    def comment(self, path: str, author: str, text: str, vote: str | None = None, when: datetime | None = None,
                vote_tag: str | None = None) -> str:  # fmt: skip
        """A comment on a proposal, or a message on a task's bug."""
        when = when or datetime.now(UTC)
        entry = self.entries[path]
        with self.lock:
            self.number += 1
            if "queue_status" in entry:
                link = f"{path}/comments/{self.number}"
                self.put(
                    "code_review_comment", link, id=self.number, author_link=f"{self.root}~{author}", content=text,
                    message_body=text, vote=vote, vote_tag=vote_tag, date_created=stamp(when), title="Re: the proposal",
                    branch_merge_proposal_link=self.root + path, owner_link=f"{self.root}~{author}",
                )  # fmt: skip
                self.collections[path + "/all_comments"].append(link)
                return link
            bug = entry["bug_link"].removeprefix(self.root)
            messages = self.collections[bug + "/messages"]
            link = f"{bug}/comments/{len(messages)}"
            self.put("message", link, owner_link=f"{self.root}~{author}", content=text, date_created=stamp(when),
                     subject=self.entries[bug]["title"])  # fmt: skip
            messages.append(link)
            self.change(bug, date_last_message=stamp(when), date_last_updated=stamp(when), message_count=len(messages))
            return link

    def _sha(self, path: str, number: int) -> str:
        return hashlib.sha1(f"{path}{number}".encode(), usedforsecurity=False).hexdigest()

    # --- HTTP ----------------------------------------------------------------------------------------------

    def respond(self, request: Request) -> Answer:
        for version in ("/devel/", "/1.0/"):
            if request.path.startswith(version) or request.path == version.rstrip("/"):
                return self._service(request, request.path.removeprefix(version.rstrip("/")).strip("/"), version)
        if request.path in ("/+request-token", "/+access-token", "/+authorize-token"):
            return self._oauth(request)
        return self._page(request.path.strip("/"))

    def facts(self) -> dict[str, Any]:
        with self.lock:
            return super().facts() | {"posts": list(self.posts)}

    def _service(self, request: Request, path: str, version: str) -> Answer:
        if not path:
            if "wadl" in request.headers.get("Accept", ""):
                text = wadl().replace(WADL_BASE, self.url + version.lstrip("/"))
                return Answer(200, text.encode(), type="application/vnd.sun.wadl+xml")
            return json_answer({"resource_type_link": f"{self.root}#service-root"})
        if path == "people/+me":
            path = "~" + self._who(request)
            if path == "~":
                return Answer(401, b"You are not logged in.", type="text/plain")
        operation = request.parameter("ws.op")
        if request.method == "POST":
            return self._write_operation(request, path, operation)
        if (path, operation) == ("branches", "getByUrls"):
            named = {url: self.entries.get(url.removeprefix("lp:")) for url in _listed(request.parameter("urls"))}
            return json_answer(named)
        if operation:
            found = self._find(path, operation, request)
            return self._collection(found, request, path) if found is not None else Answer(400, b"No such operation")
        if path.endswith("/landing_candidates"):
            target = path.removesuffix("/landing_candidates")
            return self._collection(self._proposals_into(target, UNFINISHED), request, path)
        if path in self.collections:
            return self._collection(self.collections[path], request, path)
        entry = self.entries.get(path)
        if entry is None:
            return Answer(404, b"Object not found", type="text/plain")
        if request.headers.get("If-None-Match") == entry["http_etag"]:
            return Answer(304, headers={"ETag": entry["http_etag"]})
        return json_answer(entry, ETag=entry["http_etag"])

    def _find(self, path: str, operation: str, request: Request) -> list[str] | None:
        statuses = set(_listed(request.parameter("status")))
        name = path.removeprefix("~")
        if operation == "getBranches":
            return self.branches.get(name, [])
        if operation == "getRequestedReviews":
            return self._with_status(self.asked.get(name, []), statuses or {"Needs review"})
        if operation == "getMergeProposals":
            wanted = statuses or UNFINISHED
            if path in self.entries and self.entries[path].get("is_team") is not None:
                link = self.root + path
                return self._with_status(
                    [mp for mp in self.proposals if self.entries[mp]["registrant_link"] == link], wanted
                )
            return self._proposals_into(path, wanted)
        if operation == "searchTasks":
            return self._tasks(path, statuses, request)
        return None

    def _with_status(self, paths: Iterable[str], statuses: set[str]) -> list[str]:
        return [path for path in paths if path in self.entries and self.entries[path]["queue_status"] in statuses]

    def _proposals_into(self, target: str, statuses: set[str]) -> list[str]:
        """Into a branch or a repository, or into any branch of a project."""

        def into(entry: Entry) -> bool:
            link = entry["target_branch_link"] or entry["target_git_repository_link"]
            place = str(link).removeprefix(self.root)
            return place == target or place.split("/")[1:2] == [target]

        return self._with_status([path for path in self.proposals if into(self.entries[path])], statuses)

    def _tasks(self, distribution: str, statuses: set[str], request: Request) -> list[str]:
        since = request.parameter("modified_since").strip('"')
        after = datetime.fromisoformat(since) if since else None
        excluded = {tag.lstrip("-") for tag in _listed(request.parameter("tags")) if tag.startswith("-")}
        linked = "with linked Branches" in request.parameter("linked_branches")
        if statuses & {"Incomplete (with response)", "Incomplete (without response)"}:
            statuses = statuses | {"Incomplete"}

        def wanted(path: str) -> bool:
            task = self.entries[path]
            bug_path = task["bug_link"].removeprefix(self.root)
            bug = self.entries[bug_path]
            return (
                task["bug_target_name"] == distribution
                and (not statuses or task["status"] in statuses)
                and not excluded & set(bug["tags"])
                and (not linked or bool(self.collections[bug_path + "/linked_branches"]))
                and (after is None or datetime.fromisoformat(bug["date_last_updated"]) >= after)
            )

        return [path for path in self.tasks if wanted(path)]

    def _collection(self, paths: list[str], request: Request, path: str) -> Answer:
        start = _number(request.parameter("ws.start"), 0)
        size = min(max(1, _number(request.parameter("ws.size"), BATCH)), LARGEST_BATCH)
        with self.lock:
            entries = [self.entries[item] for item in paths[start : start + size] if item in self.entries]
            kind = str(entries[0]["resource_type_link"]).rsplit("#", 1)[-1] if entries else "branch_merge_proposal"
            page: Entry = {
                "total_size": len(paths), "start": start, "entries": entries,
                "resource_type_link": f"{self.root}#{kind}-page-resource",
            }  # fmt: skip
            if start + size < len(paths):
                query = urlencode({**request.query, "ws.start": start + size, "ws.size": size})
                page["next_collection_link"] = f"{self.root}{path}?{query}"
            return json_answer(page)

    def _who(self, request: Request) -> str:
        found = re.search(r'oauth_token="?([^",]*)', request.headers.get("Authorization", ""))
        return self.tokens.get(found.group(1), "") if found else ""

    def _write_operation(self, request: Request, path: str, operation: str) -> Answer:
        who = self._who(request)
        if not who:
            return Answer(401, b"Expired token", type="text/plain")
        target = path
        if operation == "newMessage" and path.startswith("bugs/"):
            link = self.root + path
            target = next((task for task in self.tasks if self.entries[task]["bug_link"] == link), "")
        if target not in self.entries or operation not in ("createComment", "newMessage"):
            return Answer(400, b"No such operation", type="text/plain")
        said = {name: _decoded(request.parameter(name)) for name in ("content", "subject", "vote", "review_type")}
        with self.lock:
            self.posts.append({"to": path, "by": who, **said})
        made = self.comment(target, who, said["content"], said["vote"] or None, vote_tag=said["review_type"] or None)
        return Answer(201, headers={"Location": self.root + made})

    def _oauth(self, request: Request) -> Answer:
        """The OAuth dance: access is granted after a few looks, or denied when ``deny`` is set."""
        if request.path == "/+request-token":
            return Answer(200, b"oauth_token=req&oauth_token_secret=sec", type="text/plain")
        if request.path == "/+authorize-token":
            page = b"<!doctype html><title>Sandbox</title><p>Access is granted by itself here."
            return Answer(200, page, type="text/html")
        if self.deny:
            return Answer(403, b"End-user refused to authorize request token.", type="text/plain")
        token = parse_qs(request.body.decode()).get("oauth_token", ["req"])[0]
        self.polls[token] = self.polls.get(token, 0) + 1
        if self.polls[token] <= GRANT_AFTER:
            return Answer(401, b"Request token has not yet been reviewed.", type="text/plain")
        return Answer(200, b"oauth_token=sandbox-token&oauth_token_secret=s3cret", type="text/plain")

    def _page(self, path: str) -> Answer:
        """What a person sees who follows a link out to Launchpad."""
        entry = self.entries.get(path)
        known = entry or {}
        title = str(known.get("title") or known.get("display_name") or path or "Launchpad of the sandbox")
        facts = "".join(
            f"<dt>{html.escape(name)}<dd>{html.escape(str(value))}"
            for name, value in (entry or {}).items()
            if value and not name.endswith("_link")
        )
        text = f"<!doctype html><meta charset=utf-8><title>Sandbox</title><h1>{html.escape(title)}</h1><dl>{facts}</dl>"
        return Answer(200 if entry or not path else 404, text.encode(), type="text/html; charset=utf-8")


def stamp(when: datetime) -> str:
    """A time as Launchpad writes it."""
    return when.astimezone(UTC).isoformat()


def _number(text: str, default: int) -> int:
    return int(text) if text.isdigit() else default


def _decoded(text: str) -> str:
    """A parameter that launchpadlib sent as JSON, or as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _listed(text: str) -> list[str]:
    try:
        value = json.loads(text) if text else []
    except ValueError:
        value = text
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
