"""The sandbox's Launchpad: a world of entries over HTTP, with the WADL that launchpadlib ships.

Everything that can be asked of it is in ``world.py``; here are the addresses, the operations and the OAuth dance.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

from integrations.sandbox.serving import Answer, Request, SandboxServer, json_answer, page_answer
from integrations.sandbox.world import BOT, REPORT_RESULTS, Entry, LaunchpadWorld, wadl

WADL_BASE = "https://api.launchpad.test/1.0/"
ACCESS_TOKEN = "sandbox-token"  # noqa: S105 (the sandbox keeps no secrets)
PERSON_TOKEN = "sandbox-person-"  # noqa: S105 (the rest of a person's is their name)
UNFINISHED = {"Work in progress", "Needs review", "Approved", "Code failed to merge", "Queued"}
BATCH, LARGEST_BATCH = 75, 300
GRANT_AFTER = 2  # looks at the request token until access is granted
SHOWN = {  # fields of an entry that its page shows, and how they are called there
    "name": "Name", "queue_status": "Status", "status": "Status", "description": "Description",
    "date_created": "Created", "unique_name": "Location", "last_scanned_id": "Tip", "commit_sha1": "Commit",
}  # fmt: skip
VOTES = ("Approve", "Needs Fixing", "Needs Information", "Abstain", "Disapprove", "Needs Resubmitting")
TASK_STATUSES = (
    "New", "Incomplete", "Opinion", "Invalid", "Won't Fix", "Expired", "Confirmed", "Triaged", "In Progress",
    "Deferred", "Fix Committed", "Fix Released",
)  # fmt: skip
CHANGES_OF_A_REPORT = ("transitionToNewResult", "update", "setLog")
REPORT_TEXTS = ("title", "commit_sha1", "url", "result_summary")
OUT_OF_TIME = b"Timeout error, please try again in a few minutes."


class SandboxLaunchpad(LaunchpadWorld, SandboxServer):
    """A Launchpad whose world is made by calling ``add_...`` and moved by the other methods of ``LaunchpadWorld``.

    ``largest_batch``: a collection that is asked for in larger batches runs into Launchpad's timeout (503).
    ``before_next_batch(function)`` has something happen between two batches of one collection.
    """

    SETTABLE = (*SandboxServer.SETTABLE, "largest_batch", "deny")
    CALLABLE = (
        "add_person", "add_team", "add_branch", "add_bug", "add_proposal", "ask_for_review", "change", "comment",
        "delete", "edit_comment", "hide", "hide_comment", "link_bug", "mark_duplicate", "move_branch", "push",
        "rename_person", "rename_project", "retarget", "revoke", "set_private", "set_status", "set_tags", "show",
    )  # fmt: skip

    def __init__(self, port: int = 0, *, seed: int = 1) -> None:
        SandboxServer.__init__(self, port, seed=seed)
        LaunchpadWorld.__init__(self, self.url)
        self.largest_batch = LARGEST_BATCH
        self.tokens: dict[str, str] = {ACCESS_TOKEN: BOT}  # the person's name, by access token
        self.polls: dict[str, int] = {}
        self.reviewed: dict[str, str] = {}  # who granted each request token in the browser; nobody: denied
        self.revoked: set[str] = set()  # access tokens
        self.posts: list[dict[str, str]] = []  # comments made by API
        self.status_writes: list[tuple[str, str, str]] = []  # statuses set by API: of what, by whom, which
        self.report_writes: list[dict[str, str]] = []  # what was done by API to revision status reports
        self.deny = False
        self._between: list[Callable[[], object]] = []

    def before_next_batch(self, happens: Callable[[], object]) -> None:
        """Call a function once, as soon as a batch that is not the last of its collection has been made."""
        self._between.append(happens)

    # --- HTTP ----------------------------------------------------------------------------------------------

    def respond(self, request: Request) -> Answer:
        for version in ("/devel/", "/1.0/"):
            if request.path.startswith(version) or request.path == version.rstrip("/"):
                return self._service(request, request.path.removeprefix(version.rstrip("/")).strip("/"), version)
        if request.path in ("/+request-token", "/+access-token", "/+authorize-token"):
            return self._oauth(request)
        if request.path.startswith("/librarian/"):
            diff = self.diffs.get(request.path.removeprefix("/librarian/").removesuffix("/preview.diff"))
            missing = Answer(404, b"Not here", type="text/plain")
            return missing if diff is None else Answer(200, diff.encode(), type="text/x-diff; charset=utf-8")
        return self._page(request.path.strip("/"))

    def facts(self) -> dict[str, Any]:
        with self.lock:
            return super().facts() | {"posts": list(self.posts), "report_writes": list(self.report_writes)}

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
        if path in self.hidden:
            return Answer(self.hidden[path], b"(<Object>, 'launchpad.View')", type="text/plain")
        if (moved := self.moved_to(path)) != path:
            query = f"?{urlencode(request.query)}" if request.query else ""
            return Answer(301, headers={"Location": f"{self.root}{moved}{query}"})
        operation = request.parameter("ws.op")
        if request.method == "POST":
            return self._write_operation(request, path, operation, version)
        if request.method == "PATCH":
            return self._change_task(request, path)
        if (path, operation) == ("branches", "getByUrls"):
            return json_answer({url: self._visible(url) for url in _listed(request.parameter("urls"))})
        if operation:
            return self._read_operation(request, path, operation)
        if path.endswith("/diff_text") and path.removesuffix("/diff_text") in self.diffs:
            return Answer(
                303, headers={"Location": f"{self.url}librarian/{path.removesuffix('/diff_text')}/preview.diff"}
            )
        if path.endswith("/landing_candidates"):
            target = path.removesuffix("/landing_candidates")
            return self._collection(self._proposals_into(target, UNFINISHED), request, path)
        if path.endswith("/super_teams") and path.removesuffix("/super_teams") in self.entries:
            return self._collection(self.teams_of(path.removesuffix("/super_teams")), request, path)
        if path.endswith("/bugs") and path.removesuffix("/bugs") in self.proposals:
            return self._collection(self.bugs_of(path.removesuffix("/bugs")), request, path)
        if path in self.collections:
            return self._collection(self.collections[path], request, path)
        entry = self.entries.get(path)
        if entry is None:
            return Answer(404, b"Object not found", type="text/plain")
        if request.headers.get("If-None-Match") == entry["http_etag"]:
            return Answer(304, headers={"ETag": entry["http_etag"]})
        return json_answer(entry, ETag=entry["http_etag"])

    def _visible(self, url: str) -> Entry | None:
        path = url.removeprefix("lp:")
        return None if path in self.hidden else self.entries.get(path)

    def _read_operation(self, request: Request, path: str, operation: str) -> Answer:
        if path not in self.entries:
            return Answer(404, b"Object not found", type="text/plain")
        if operation == "getInlineComments":
            number = _number(request.parameter("previewdiff_id"), 0)
            if f"{path}/+preview-diff/{number}" not in self.diffs:
                return Answer(400, b"previewdiff_id: there is no such diff of this proposal", type="text/plain")
            return json_answer(self.inline_comments_on(number))
        found = self._find(path, operation, request)
        if found is None:
            return Answer(400, b"No such operation: " + operation.encode(), type="text/plain")
        return self._collection(found, request, path)

    def _find(self, path: str, operation: str, request: Request) -> list[str] | None:
        statuses = set(_listed(request.parameter("status")))
        name = path.removeprefix("~")
        if operation == "getBranches":
            return self.branches.get(name, [])
        if operation == "getRequestedReviews":
            return self._with_status(filter(self._asks(path), self.proposals), statuses or {"Needs review"})
        if operation == "getMergeProposals":
            wanted = statuses or UNFINISHED
            if "is_team" in self.entries[path]:
                link = self.root + path
                found = self._with_status(
                    [mp for mp in self.proposals if self.entries[mp]["registrant_link"] == link], wanted
                )
            else:
                found = self._proposals_into(path, wanted)
            return [mp for mp in found if self._created_in_time(mp, request)]
        if operation == "searchTasks":
            return self._tasks(path, statuses, request)
        if operation == "getStatusReports":
            return self.reports_on(path, _decoded(request.parameter("commit_sha1")))
        return None

    def _asks(self, person: str) -> Callable[[str], bool]:
        """Whether a person or team is asked to review a proposal, or reviewed it."""
        link = self.root + person

        def asks(proposal: str) -> bool:
            votes = self.collections[proposal + "/votes"]
            return any(self.entries[vote]["reviewer_link"] == link for vote in votes)

        return asks

    def _created_in_time(self, proposal: str, request: Request) -> bool:
        created = datetime.fromisoformat(self.entries[proposal]["date_created"])
        since, before = _time(request.parameter("created_since")), _time(request.parameter("created_before"))
        return (since is None or created >= since) and (before is None or created < before)

    def _with_status(self, paths: Iterable[str], statuses: set[str]) -> list[str]:
        return [path for path in paths if path in self.entries and self.entries[path]["queue_status"] in statuses]

    def _proposals_into(self, target: str, statuses: set[str]) -> list[str]:
        """Into a branch or a repository, or into any branch of a project."""

        def into(entry: Entry) -> bool:
            link = entry["target_branch_link"] or entry["target_git_repository_link"]
            place = self.path_of(str(link))
            return place == target or place.split("/")[1:2] == [target]

        return self._with_status([path for path in self.proposals if into(self.entries[path])], statuses)

    def _tasks(self, distribution: str, statuses: set[str], request: Request) -> list[str]:
        after = _time(request.parameter("modified_since"))
        excluded = {tag.lstrip("-") for tag in _listed(request.parameter("tags")) if tag.startswith("-")}
        linked = "with linked Branches" in request.parameter("linked_branches")
        if statuses & {"Incomplete (with response)", "Incomplete (without response)"}:
            statuses = statuses | {"Incomplete"}

        def wanted(path: str) -> bool:
            task = self.entries[path]
            bug_path = self.path_of(task["bug_link"])
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
        """One batch. What our account may not see is left out after it was cut, as Launchpad does."""
        if request.parameter("ws.show") == "total_size":
            return json_answer(len(paths) if request.parameter("ws.op") else {"total_size": len(paths)})
        start = _number(request.parameter("ws.start"), 0)
        size = min(max(1, _number(request.parameter("ws.size"), BATCH)), LARGEST_BATCH)
        if size > self.largest_batch and len(paths) > self.largest_batch:
            return Answer(503, OUT_OF_TIME, type="text/plain")
        with self.lock:
            batch = [item for item in paths[start : start + size] if item not in self.hidden]
            entries = [self.entries[item] for item in batch if item in self.entries]
            kind = self._kind_of(self.path_of(entries[0]["self_link"])) if entries else "branch_merge_proposal"
            page: Entry = {
                "total_size": len(paths), "start": start, "entries": entries,
                "resource_type_link": f"{self.root}#{kind}-page-resource",
            }  # fmt: skip
            has_next = start + size < len(paths)
            if has_next:
                query = urlencode({**request.query, "ws.start": start + size, "ws.size": size})
                page["next_collection_link"] = f"{self.root}{path}?{query}"
            answer = json_answer(page)
        if has_next and self._between:
            self._between.pop(0)()
        return answer

    def _kind_of(self, path: str) -> str:
        """Of an entry, as the WADL calls it; empty where nothing is."""
        return str(self.entries.get(path, {}).get("resource_type_link", "")).rpartition("#")[2]

    def _who(self, request: Request) -> str:
        """The name of the person whose token the request carries; empty for none, and for one that is revoked."""
        found = re.search(r'oauth_token="?([^",]*)', request.headers.get("Authorization", ""))
        token = found.group(1) if found else ""
        if token in self.revoked:
            return ""
        # Those of people are made from their names: they work on after the sandbox was started again.
        name = token.removeprefix(PERSON_TOKEN) if token.startswith(PERSON_TOKEN) else self.tokens.get(token, "")
        return name if f"~{name}" in self.entries else ""

    def revoke(self, name: str) -> None:
        """A person takes back the access that they have granted."""
        self.revoked.add(PERSON_TOKEN + name)

    def _write_operation(self, request: Request, path: str, operation: str, version: str) -> Answer:
        who = self._who(request)
        if not who:
            return Answer(401, b"Expired token", type="text/plain")
        if version == "/devel/" and (path in self.reports or self._kind_of(path) == "git_repository"):
            return self._write_report(request, path, operation, who)
        if operation == "setStatus" and path in self.proposals:
            return self._set_proposal_status(path, who, _decoded(request.parameter("status")))
        target = path
        if operation == "newMessage" and path.startswith("bugs/"):
            link = self.root + path
            target = next((task for task in self.tasks if self.entries[task]["bug_link"] == link), "")
        if target not in self.entries or operation not in ("createComment", "newMessage"):
            return Answer(400, b"No such operation", type="text/plain")
        said = {name: _decoded(request.parameter(name)) for name in ("content", "subject", "vote", "review_type")}
        if said["vote"] and said["vote"] not in VOTES:
            return Answer(400, f'vote: Invalid value "{said["vote"]}".'.encode(), type="text/plain")
        lines = json.loads(request.parameter("inline_comments") or "{}")
        diff = f"{path}/+preview-diff/{request.parameter('previewdiff_id')}"
        if lines and diff not in self.entries:
            return Answer(400, b"Preview diff not found.", type="text/plain")
        with self.lock:
            self.posts.append({"to": path, "by": who, **said, **({"lines": json.dumps(lines)} if lines else {})})
        made = self.comment(target, who, said["content"], said["vote"] or None, vote_tag=said["review_type"] or None)
        if lines:
            self.keep_line_comments(made, who, lines, int(diff.rpartition("/")[2]))
        return Answer(201, headers={"Location": self.root + made})

    def _set_proposal_status(self, path: str, who: str, status: str) -> Answer:
        """As Launchpad: reviewers of the target alone approve and reject, and what is merged stays so."""
        before = self.entries[path]["queue_status"]
        target = self.entries[path]["target_branch_link"] or self.entries[path]["target_git_repository_link"]
        owner = self.path_of(target).split("/")[0].removeprefix("~")
        if status in ("Approved", "Rejected") and who != owner and not self.takes_part(who, owner):
            return Answer(400, b"User is not a branch reviewer.", type="text/plain")
        if before in ("Merged", "Superseded") and status != before:
            words = f"Invalid state transition for merge proposal: {before} -> {status}"
            return Answer(400, words.encode(), type="text/plain")
        self.status_writes.append((path, who, status))
        self.set_status(path, status)
        return json_answer(None)

    def _change_task(self, request: Request, path: str) -> Answer:
        """PATCH of a bug task: its status."""
        who = self._who(request)
        if not who:
            return Answer(401, b"Expired token", type="text/plain")
        if path not in self.tasks:
            return Answer(400, b"This entry can't be changed.", type="text/plain")
        status = json.loads(request.body).get("status")
        if status not in TASK_STATUSES:
            return Answer(400, f'status: Invalid value "{status}".'.encode(), type="text/plain")
        self.status_writes.append((path, who, status))
        self.set_status(path, status)
        return json_answer(self.entries[path], 209)

    def _write_report(self, request: Request, path: str, operation: str, who: str) -> Answer:
        """Make a revision status report on a commit of a repository, or change one."""
        is_report = path in self.reports
        if operation not in (CHANGES_OF_A_REPORT if is_report else ("newStatusReport",)):
            return Answer(400, b"No such operation", type="text/plain")
        repository = self.path_of(self.entries[path]["git_repository_link"]) if is_report else path
        if not self.may_edit(who, repository):
            return Answer(401, f"(<Object>, '{operation}', 'launchpad.Edit')".encode(), type="text/plain")
        texts = {name: _text(request.parameter(name)) for name in REPORT_TEXTS if request.parameter(name)}
        result = _decoded(request.parameter("result"))
        if wrong := [name for name, text in texts.items() if text is None or "\n" in text]:
            return Answer(400, f"{wrong[0]}: not one line of text".encode(), type="text/plain")
        if result and result not in REPORT_RESULTS:
            return Answer(400, f'result: Invalid value "{result}".'.encode(), type="text/plain")
        needed = {"newStatusReport": ("title", "commit_sha1"), "transitionToNewResult": ("result",)}.get(operation, ())
        given = {name: text for name, text in texts.items() if text} | ({"result": result} if result else {})
        if missing := [name for name in needed if name not in given]:
            return Answer(400, f"{missing[0]}: Required input is missing.".encode(), type="text/plain")
        with self.lock:
            self.report_writes.append({"to": path, "by": who, "operation": operation, **given})
        if operation == "newStatusReport":
            return Answer(201, headers={"Location": self.root + self.add_status_report(path, who, **given)})
        if operation == "transitionToNewResult":
            self.set_report_result(path, result)
        if operation == "update":
            self.change(path, **{name: text for name, text in given.items() if name != "commit_sha1"})
        return json_answer(None)

    def _oauth(self, request: Request) -> Answer:
        """The OAuth dance. With a callback the person in the browser chooses who they are; without one, as a command
        begins it, access is granted after a few looks. Denied when ``deny`` is set, or the person says so."""
        if request.path == "/+request-token":
            with self.lock:
                self.number += 1
                token = f"req-{self.number}"
            return Answer(200, f"oauth_token={token}&oauth_token_secret=sec".encode(), type="text/plain")
        if request.path == "/+authorize-token":
            return self._authorize(request)
        token = parse_qs(request.body.decode()).get("oauth_token", ["req"])[0]
        name = self.reviewed.get(token)
        if self.deny or name == "":
            return Answer(403, b"End-user refused to authorize request token.", type="text/plain")
        if name:
            self.revoked.discard(PERSON_TOKEN + name)
            return Answer(
                200, f"oauth_token={PERSON_TOKEN}{name}&oauth_token_secret=s3cret".encode(), type="text/plain"
            )
        self.polls[token] = self.polls.get(token, 0) + 1
        if self.polls[token] <= GRANT_AFTER:
            return Answer(401, b"Request token has not yet been reviewed.", type="text/plain")
        return Answer(200, b"oauth_token=sandbox-token&oauth_token_secret=s3cret", type="text/plain")

    def _authorize(self, request: Request) -> Answer:
        """The page where a person grants access, and what they chose there: then back to the callback, either way."""
        token, callback = request.parameter("oauth_token"), request.parameter("oauth_callback")
        if request.method == "POST":
            self.reviewed[token] = request.parameter("person")
            return Answer(303, headers={"Location": callback})
        if not callback:
            return page_answer("Sandbox", "<p>Access is granted by itself here.")
        people = sorted(
            (str(entry["name"]), str(entry["display_name"]))
            for path, entry in self.entries.items()
            if entry.get("is_team") is False and path != f"~{BOT}"
        )
        choices = "".join(
            f'<option value="{html.escape(name)}">{html.escape(f"{shown} ({name})")}</option>' for name, shown in people
        )
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
            for name, value in (("oauth_token", token), ("oauth_callback", callback))
        )
        access = html.escape(request.parameter("allow_permission"))
        return page_answer(
            "Authorize application to access Launchpad on your behalf",
            f"<p>The application review-queue wants to do this in your name: {access}.",
            f'<form method="post" action="/+authorize-token">{hidden}<p><label>Who are you? <select name="person">'
            f"{choices}</select></label> <button>Allow</button></form>",
            f'<form method="post" action="/+authorize-token">{hidden}<input type="hidden" name="person" value="">'
            "<button>Do not allow anything</button></form>",
        )

    def _page(self, path: str) -> Answer:
        """What a person sees who follows a link out to Launchpad."""
        path = self.moved_to(path.removesuffix("/+comment").removesuffix("/+addcomment"))
        entry = self.entries.get(path)
        if entry is None:
            return page_answer("Launchpad of the sandbox", status=404 if path else 200)
        names = ("commit_message", "title", "display_name", "name")
        title, comments = next((str(entry[name]) for name in names if entry.get(name)), path), path + "/all_comments"
        if "bug_link" in entry:
            bug = self.path_of(entry["bug_link"])
            title, comments = self.entries[bug]["title"], bug + "/messages"
        facts = [f"<dt>{label}<dd>{html.escape(str(entry[name]))}" for name, label in SHOWN.items() if entry.get(name)]
        said = map(self._comment_html, self.collections.get(comments, []))
        return page_answer(title, f"<dl>{''.join(facts)}</dl>", self._votes_html(path), self._reports_html(path), *said)

    def _votes_html(self, path: str) -> str:
        """The table of a proposal's reviewers: who was asked, and what each said last."""
        rows = [self.entries[vote] for vote in self.collections.get(path + "/votes", [])]
        cells = [
            (
                self._name_of(row["reviewer_link"]),
                row["review_type"] or "",
                "Pending" if row["is_pending"] else self.entries[self.path_of(row["comment_link"])]["vote"],
            )
            for row in rows
        ]
        return _table(("Reviewer", "Review type", "Status"), cells)

    def _reports_html(self, path: str) -> str:
        """The revision status reports on what a proposal wants to merge, if it is Git."""
        entry = self.entries[path]
        if not entry.get("source_git_repository_link"):
            return ""
        repository = self.path_of(entry["source_git_repository_link"])
        ref = f"{repository}/+ref/{entry['source_git_path'].removeprefix('refs/heads/')}"
        reports = [self.entries[each] for each in self.reports_on(repository, self.entries[ref]["commit_sha1"])]
        cells = [(report["title"], report["result"] or "", report["result_summary"] or "") for report in reports]
        return _table(("Check", "Result", "Summary"), cells)

    def _name_of(self, link: str) -> str:
        return str(self.entries.get(self.path_of(link), {}).get("display_name") or "")

    def _comment_html(self, path: str) -> str:
        comment = self.entries[path]
        who = self._name_of(comment["owner_link"])
        vote = f" ({comment['vote']})" if comment.get("vote") else ""
        said = f"{who}{vote}, {comment['date_created'][:10]}"
        return f"<h2>{html.escape(said)}</h2><pre>{html.escape(comment['content'])}</pre>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table as HTML; nothing where it has no rows."""
    lines = ["".join(f"<td>{html.escape(cell)}" for cell in row) for row in rows]
    titles = "".join(f"<th>{head}" for head in heads)
    return f"<table><tr>{titles}{''.join(f'<tr>{line}' for line in lines)}</table>" if lines else ""


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text.strip('"')) if text else None


def _number(text: str, default: int) -> int:
    return int(text) if text.isdigit() else default


def _decoded(text: str) -> str:
    """A parameter that launchpadlib sent as JSON, or as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _text(text: str) -> str | None:
    """A parameter that has to be text; None when it is not: Launchpad reads ``123`` as a number and refuses it."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else None


def _listed(text: str) -> list[str]:
    try:
        value = json.loads(text) if text else []
    except ValueError:
        value = text
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
