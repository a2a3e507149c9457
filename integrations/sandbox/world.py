"""What there is on the sandbox's Launchpad, and what people do there: entries and collections, without any HTTP.

``add_…`` makes things; verbs (``comment``, ``push``, ``set_status``, ``rename_person``, ``retarget``, …) move them.
Things are named by their path below the service root: ``~bjorn``, ``~bjorn/charms/trusty/mysql/fix/+merge/7``,
``charms/+bug/1000042``. Every entry has the fields that the WADL of launchpadlib names for its kind.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import launchpadlib.testing

from integrations.sandbox.tips import target_tip

BOT = "queue-bot"
GIT_HOST = "https://git.launchpad.test/"
REPORT_RESULTS = ("Waiting", "Running", "Succeeded", "Failed", "Skipped", "Cancelled")  # of a revision status report
# What launchpadlib's WADL, which is of an older Launchpad, does not know.
NEWER_FIELDS = {
    "revision_status_report": (
        "title", "git_repository_link", "commit_sha1", "url", "result_summary", "result", "creator_link",
        "date_created", "date_started", "date_finished", "id",
    )
}  # fmt: skip
SMALL_DIFF = "--- README\n+++ README\n@@ -1 +1,2 @@\n A charm.\n+It has tests.\n"

Entry = dict[str, Any]


@cache
def wadl() -> str:
    """The WADL as launchpadlib ships it."""
    return (Path(launchpadlib.testing.__file__).parent / "launchpad-wadl.xml").read_text()


@cache
def fields_of(kind: str) -> tuple[str, ...]:
    """The fields of an entry of a kind, by the WADL."""
    if kind in NEWER_FIELDS:
        return NEWER_FIELDS[kind]
    found = re.search(rf'<wadl:representation[^>]*id="{kind}-full".*?</wadl:representation>', wadl(), re.DOTALL)
    if not found:
        raise ValueError(f"the WADL knows no {kind}")
    return tuple(re.findall(r'<wadl:param[^>]*name="([^"]+)"', found.group(0)))


def stamp(when: datetime) -> str:
    """A time as Launchpad writes it."""
    return when.astimezone(UTC).isoformat()


class LaunchpadWorld:
    """Entries by path, collections of paths by path. Safe to change while a server reads it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.root = url + "devel/"
        self.lock = threading.RLock()
        self.entries: dict[str, Entry] = {}
        self.collections: dict[str, list[str]] = {}
        self.proposals: list[str] = []
        self.tasks: list[str] = []
        self.reports: list[str] = []
        self.branches: dict[str, list[str]] = {}  # by their owner's name
        self.members: dict[str, set[str]] = {}  # names of people and teams, by the name of the team they are in
        self.diffs: dict[str, str] = {}  # texts, by the path of their preview diff
        self.inline_comments: dict[int, list[Entry]] = {}  # by the number of their preview diff
        self.hidden: dict[str, int] = {}  # the status that is answered for what our account may not see
        self.renames: list[Callable[[str], str]] = []  # each gives the new path of an old one
        self.number = 0
        self.add_person(BOT, "Review Queue")

    # --- entries -------------------------------------------------------------------------------------------

    def put(self, kind: str, path: str, /, **fields: Any) -> Entry:
        """An entry, complete by the WADL: links to collections are there, everything else is null unless given."""
        entry: Entry = dict.fromkeys(fields_of(kind))
        for name in entry:
            if name.endswith("_collection_link"):
                entry[name] = f"{self.root}{path}/{name.removesuffix('_collection_link')}"
        entry |= {
            "self_link": self.root + path,
            "web_link": self.url + path,
            "resource_type_link": f"{self.root}#{kind}",
        }
        entry |= fields
        with self.lock:
            self.entries[path] = _with_etag(entry)
        return entry

    def change(self, path: str, /, **fields: Any) -> None:
        """Change fields of an entry."""
        with self.lock:
            self.entries[path] |= fields
            _with_etag(self.entries[path])

    def delete(self, path: str) -> None:
        """The entry is gone: asked for it, Launchpad answers 404."""
        with self.lock:
            self.entries.pop(path, None)
            for paths in (self.proposals, self.tasks, self.reports, *self.collections.values()):
                if path in paths:
                    paths.remove(path)

    def hide(self, path: str, status: int = 401) -> None:
        """Our account may not see it: Launchpad answers this status, and batches leave it out after they were cut."""
        with self.lock:
            self.hidden[path] = status

    def show(self, path: str) -> None:
        """Our account may see it again."""
        with self.lock:
            self.hidden.pop(path, None)

    def set_private(self, path: str, private: bool = True) -> None:
        """A proposal, branch, repository or task's bug becomes private, or public again. Our account reads it still."""
        entry = self.entries[path]
        if "bug_link" in entry:
            path = self.path_of(entry["bug_link"])
            entry = self.entries[path]
        more = {"information_type": "Private" if private else "Public"} if "information_type" in entry else {}
        self.change(path, private=private, **more)

    def path_of(self, link: str) -> str:
        """The path of a link, as entries hold it."""
        return link.removeprefix(self.root)

    # --- people and places ---------------------------------------------------------------------------------

    def add_person(self, name: str, display_name: str) -> str:
        """A person; returns the path."""
        self.put("person", "~" + name, name=name, display_name=display_name, is_team=False, is_valid=True, karma=7)
        return "~" + name

    def add_team(self, name: str, display_name: str, members: Iterable[str]) -> str:
        """A team of people and of teams, which have to be there already; returns the path."""
        path = "~" + name
        self.put("person", path, name=name, display_name=display_name, is_team=True, is_valid=True, karma=0)
        self.collections[path + "/members"] = people = ["~" + member for member in members]
        self.members[name] = {person.removeprefix("~") for person in people}
        inside = [place for person in people for place in self.collections.get(person + "/participants", [])]
        self.collections[path + "/participants"] = list(dict.fromkeys(people + inside))
        return path

    def takes_part(self, name: str, team: str) -> bool:
        """Whether a person or team is in a team, directly or by a team that is in it."""
        members = self.members.get(team, set())
        return name in members or any(self.takes_part(name, member) for member in members)

    def teams_of(self, path: str) -> list[str]:
        """The teams that a person or team is in, directly or by other teams, by their paths."""
        return ["~" + team for team in self.members if self.takes_part(path.removeprefix("~"), team)]

    def add_series(self, distribution: str, name: str, *, active: bool) -> str:
        """A series of a distribution; returns the path."""
        self._add_distribution(distribution)
        path = f"{distribution}/{name}"
        self.put("distro_series", path, name=name, displayname=name.title(), active=active,
                 distribution_link=self.root + distribution)  # fmt: skip
        return path

    def _add_distribution(self, name: str) -> None:
        if name not in self.entries:
            self.put("distribution", name, name=name, display_name=name.title(), title=name.title(), active=True)

    def _add_project(self, name: str) -> None:
        if name not in self.entries:
            self.put("project", name, name=name, display_name=name, title=name, active=True, private=False)

    def add_branch(self, owner: str, location: str) -> str:
        """A Bazaar branch ``~owner/location``; of a package when the location has four parts. Returns the path."""
        path = f"~{owner}/{location}"
        parts = location.split("/")
        package = f"{self.root}{parts[0]}/{parts[1]}/+source/{parts[2]}" if len(parts) == 4 else None
        if not package:
            self._add_project(parts[0])
        self.put(
            "branch", path, bzr_identity=f"lp:{path}", unique_name=path, display_name=f"lp:{path}", name=parts[-1],
            owner_link=f"{self.root}~{owner}", sourcepackage_link=package, last_scanned_id=f"{owner}@example.com-1",
            private=False, information_type="Public", lifecycle_status="Development", revision_count=1,
            project_link=None if package else self.root + parts[0],
        )  # fmt: skip
        self.collections[path + "/linked_bugs"] = []
        self.branches.setdefault(owner, []).append(path)
        return path

    def add_repository(self, owner: str, project: str, name: str) -> str:
        """A Git repository; returns the path."""
        self._add_project(project)
        path = f"~{owner}/{project}/+git/{name}"
        self.number += 1
        self.put(
            "git_repository", path, unique_name=path, name=name, display_name=f"lp:{path}", private=False,
            information_type="Public", owner_link=f"{self.root}~{owner}", git_https_url=GIT_HOST + path,
            git_identity=f"lp:{path}", id=self.number,
        )  # fmt: skip
        return path

    # --- proposals -----------------------------------------------------------------------------------------

    def add_proposal(
        self, source: str, target: str, *, registrant: str, status: str = "Needs review", created: datetime,
        git_path: str = "", asked: Iterable[str] = (), description: str = "", commit_message: str | None = None,
        diff: str = SMALL_DIFF, prerequisite: str = "", prerequisite_path: str = "",
    ) -> str:  # fmt: skip
        """A merge proposal from branch to branch, or, with ``git_path``, from repository to repository.

        ``prerequisite`` is what has to be merged before, with ``prerequisite_path`` if it is a repository. ``asked``
        names the people and teams that are asked to review. Returns the path.
        """
        self.number += 1
        path = f"{source}/+merge/{self.number}"
        if git_path:
            sides = {
                "source_git_repository_link": self.root + source, "source_git_path": f"refs/heads/{git_path}",
                "target_git_repository_link": self.root + target, "target_git_path": "refs/heads/master",
            }  # fmt: skip
            self.put("git_ref", f"{source}/+ref/{git_path}", path=f"refs/heads/{git_path}",
                     repository_link=self.root + source, commit_sha1=_sha1(path))  # fmt: skip
        else:
            sides = {"source_branch_link": self.root + source, "target_branch_link": self.root + target}
        if prerequisite and git_path:
            sides |= {
                "prerequisite_git_repository_link": self.root + prerequisite,
                "prerequisite_git_path": f"refs/heads/{prerequisite_path}",
            }
        elif prerequisite:
            sides |= {"prerequisite_branch_link": self.root + prerequisite}
        self.put(
            "branch_merge_proposal", path, queue_status=status, registrant_link=f"{self.root}~{registrant}",
            date_created=stamp(created), date_review_requested=stamp(created), description=description or None,
            commit_message=commit_message, private=False, address=f"mp+{self.number}@code.launchpad.test",
            bugs_collection_link=f"{self.root}{path}/bugs", **sides,
        )  # fmt: skip
        for name in ("all_comments", "votes", "bugs", "preview_diffs"):
            self.collections[f"{path}/{name}"] = []
        self.proposals.append(path)
        for name in asked:
            self.ask_for_review(path, name, when=created, by=registrant)
        self.push(path, diff)
        return path

    def push(self, path: str, diff: str = SMALL_DIFF, *, conflicts: str = "") -> None:
        """A new tip of what is proposed, and the preview diff of it; ``conflicts`` is Launchpad's text of them."""
        entry = self.entries[path]
        self.number += 1
        if entry["source_branch_link"]:
            tip = f"{path.split('/')[0].strip('~')}@example.com-{self.number}"
            self.change(self.path_of(entry["source_branch_link"]), last_scanned_id=tip)
        else:
            tip = _sha1(f"{path}{self.number}")
            repository = self.path_of(entry["source_git_repository_link"])
            self.change(f"{repository}/+ref/{entry['source_git_path'].removeprefix('refs/heads/')}", commit_sha1=tip)
        lines = diff.splitlines()
        added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
        removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
        stat: dict[str, list[int]] = {}
        name = ""
        for line in lines:
            if line.startswith("+++ "):
                name = line.removeprefix("+++ ").split("\t")[0].removeprefix("b/")
                stat[name] = [0, 0]
            elif name and line[:1] in ("+", "-") and not line.startswith("---"):
                stat[name]["+-".index(line[0])] += 1
        place = f"{path}/+preview-diff/{self.number}"
        target = entry["target_branch_link"] or entry["target_git_repository_link"] or ""
        self.put(
            "preview_diff", place, id=self.number, source_revision_id=tip, target_revision_id=target_tip(target),
            stale=False, branch_merge_proposal_link=self.root + path, conflicts=conflicts, added_lines_count=added,
            removed_lines_count=removed, diff_lines_count=len(lines), date_created=stamp(datetime.now(UTC)),
            diffstat=stat, diff_text_link=f"{self.root}{place}/diff_text",
        )  # fmt: skip
        self.diffs[place] = diff
        self.collections[path + "/preview_diffs"].append(place)
        self.change(path, preview_diff_link=self.root + place)

    def ask_for_review(
        self, path: str, name: str, review_type: str | None = None, when: datetime | None = None, by: str = "",
    ) -> str:  # fmt: skip
        """A person or team is asked to review a proposal, ``by`` somebody else or of their own accord. Returns the path
        of the vote that is waited for."""
        return self._add_vote(path, name, review_type, None, when or datetime.now(UTC), by)

    def _add_vote(
        self, path: str, name: str, review_type: str | None, comment: str | None, when: datetime, by: str = "",
    ) -> str:  # fmt: skip
        self.number += 1
        vote = f"{path}/+review/{self.number}"
        self.put(
            "code_review_vote_reference", vote, reviewer_link=f"{self.root}~{name}",
            registrant_link=f"{self.root}~{by or name}",
            review_type=review_type, is_pending=comment is None, date_created=stamp(when),
            comment_link=self.root + comment if comment else None, branch_merge_proposal_link=self.root + path,
        )  # fmt: skip
        self.collections[path + "/votes"].append(vote)
        return vote

    def _vote(self, path: str, name: str, review_type: str | None, comment: str, when: datetime) -> None:
        """As Launchpad keeps votes: one a person and proposal; a member's vote answers for a team that was asked."""
        votes = {vote: self.entries[vote] for vote in self.collections[path + "/votes"]}
        link = f"{self.root}~{name}"
        own = [vote for vote, entry in votes.items() if entry["reviewer_link"] == link]
        teams = {f"{self.root}~{team}" for team in self.members if self.takes_part(name, team)}
        asked = [
            vote
            for vote, entry in votes.items()
            if entry["is_pending"] and entry["reviewer_link"] in teams and entry["review_type"] in (None, review_type)
        ]
        for vote in (own + asked)[:1]:
            self.change(vote, reviewer_link=link, comment_link=self.root + comment, is_pending=False,
                        review_type=review_type)  # fmt: skip
            return
        self._add_vote(path, name, review_type, comment, when)

    def comment_on_lines(
        self, path: str, author: str, lines: Mapping[int, str], *, text: str = "", vote: str | None = None,
        when: datetime | None = None, diff_number: int | None = None,
    ) -> str:  # fmt: skip
        """A comment on a proposal with comments on lines of a preview diff of it, the newest unless ``diff_number``
        says another. Returns the path of the comment."""
        comment = self.comment(path, author, text, vote, when)
        self.keep_line_comments(
            comment, author, lines, diff_number or int(self.entries[path]["preview_diff_link"].rpartition("/")[2])
        )
        return comment

    def keep_line_comments(self, comment: str, author: str, lines: Mapping[Any, str], number: int) -> None:
        """What a comment says on lines of the preview diff of that number."""
        said = [
            {"line_number": str(line), "person": f"~{author}", "text": words,
             "date": self.entries[comment]["date_created"]}
            for line, words in lines.items()
        ]  # fmt: skip
        with self.lock:
            self.inline_comments.setdefault(number, []).extend(said)

    def inline_comments_on(self, number: int) -> list[Entry]:
        """The comments on lines of a preview diff, as Launchpad answers them: with whole people."""
        with self.lock:
            return [
                comment | {"person": self.entries[comment["person"]]}
                for comment in self.inline_comments.get(number, [])
            ]

    # --- revision status reports ---------------------------------------------------------------------------

    def may_edit(self, name: str, repository: str) -> bool:
        """Whether a person may change a repository: its owner, or in the team that owns it."""
        owner = self.path_of(self.entries[repository]["owner_link"]).removeprefix("~")
        return name == owner or self.takes_part(name, owner)

    def add_status_report(
        self, repository: str, creator: str, *, title: str, commit_sha1: str, url: str | None = None,
        result_summary: str | None = None, result: str | None = None,
    ) -> str:  # fmt: skip
        """A report on a commit of a repository. Returns its path."""
        with self.lock:
            self.number += 1
            path = f"{repository}/+status/{self.number}"
            self.put(
                "revision_status_report", path, id=self.number, title=title, commit_sha1=commit_sha1, url=url,
                result_summary=result_summary, git_repository_link=self.root + repository,
                creator_link=f"{self.root}~{creator}", date_created=stamp(datetime.now(UTC)),
            )  # fmt: skip
            self.reports.append(path)
            if result:
                self.set_report_result(path, result)
        return path

    def set_report_result(self, path: str, result: str) -> None:
        """A report moves on to another of ``REPORT_RESULTS``."""
        now, report = stamp(datetime.now(UTC)), self.entries[path]
        started = now if result == "Running" else report["date_started"]
        self.change(
            path, result=result, date_started=started,
            date_finished=None if result in ("Waiting", "Running") else now,
        )  # fmt: skip

    def reports_on(self, repository: str, commit_sha1: str = "") -> list[str]:
        """The reports on a repository's commits, or on one commit, oldest first."""
        link = self.root + repository
        return [
            path
            for path in self.reports
            if self.entries[path]["git_repository_link"] == link
            and commit_sha1 in ("", self.entries[path]["commit_sha1"])
        ]

    # --- bugs ----------------------------------------------------------------------------------------------

    def add_bug(
        self, distribution: str, title: str, *, owner: str, branch: str | None, created: datetime, status: str = "New",
        tags: Iterable[str] = (), package: str = "", description: str = "",
    ) -> str:  # fmt: skip
        """A bug with a task in the distribution, and perhaps a linked branch. Returns the path of the task."""
        self._add_distribution(distribution)
        self.number += 1
        number = 1000000 + self.number
        bug = f"bugs/{number}"
        path = f"{distribution}/{'+source/' + package + '/' if package else ''}+bug/{number}"
        description = description or f"Please review {title}"
        self.put(
            "bug", bug, id=number, title=title, tags=list(tags), owner_link=f"{self.root}~{owner}", private=False,
            information_type="Public", date_created=stamp(created), date_last_updated=stamp(created),
            date_last_message=stamp(created), message_count=0, description=description,
            web_link=f"{self.url}bugs/{number}",
        )  # fmt: skip
        for name in ("messages", "linked_branches", "bug_tasks"):
            self.collections[f"{bug}/{name}"] = []
        self.put(
            "bug_task", path, title=f'Bug #{number} in {distribution}: "{title}"', bug_link=self.root + bug,
            status=status, owner_link=f"{self.root}~{owner}", date_created=stamp(created),
            date_left_new=None if status == "New" else stamp(created), target_link=self.root + distribution,
            bug_target_name=distribution, bug_target_display_name=distribution, importance="Undecided",
        )  # fmt: skip
        self.collections[bug + "/bug_tasks"].append(path)
        self.tasks.append(path)
        if branch:
            self.link_bug(path, branch)
        self.comment(path, owner, description, when=created)
        return path

    def link_bug(self, task: str, branch_or_proposal: str) -> None:
        """Link a task's bug to a Bazaar branch, or to a proposal."""
        bug = self.path_of(self.entries[task]["bug_link"])
        if branch_or_proposal in self.proposals:
            self.collections[branch_or_proposal + "/bugs"].append(bug)
            return
        link = f"{branch_or_proposal}/+bug/{bug.removeprefix('bugs/')}"
        self.put("bug_branch", link, branch_link=self.root + branch_or_proposal, bug_link=self.root + bug)
        self.collections[bug + "/linked_branches"].append(link)
        self.collections[branch_or_proposal + "/linked_bugs"].append(bug)

    def bugs_of(self, proposal: str) -> list[str]:
        """The bugs that a proposal is linked to, those of its Bazaar branch included, by their paths."""
        branch = self.path_of(self.entries[proposal]["source_branch_link"] or "")
        linked = [*self.collections[proposal + "/bugs"], *self.collections.get(branch + "/linked_bugs", [])]
        return list(dict.fromkeys(linked))

    def retarget(self, task: str, target: str) -> str:
        """Move a task to another project or distribution; its old address redirects. Returns the new path."""
        self._add_distribution(target)
        moved = f"{target}/+bug/{task.rsplit('/', 1)[-1]}"
        self._rename(_prefix_rewriter(task, moved))
        self.change(moved, target_link=self.root + target, bug_target_name=target, bug_target_display_name=target)
        self._touch(moved)
        return moved

    def mark_duplicate(self, task: str, of: str) -> None:
        """Mark a task's bug as a duplicate of another task's bug."""
        self.change(self.path_of(self.entries[task]["bug_link"]), duplicate_of_link=self.entries[of]["bug_link"])
        self._touch(task)

    def set_tags(self, task: str, tags: Iterable[str]) -> None:
        """Tag a task's bug."""
        self.change(self.path_of(self.entries[task]["bug_link"]), tags=list(tags))
        self._touch(task)

    def _touch(self, task: str) -> None:
        bug = self.path_of(self.entries[task]["bug_link"])
        self.change(bug, date_last_updated=stamp(datetime.now(UTC)))

    # --- proposals and bugs --------------------------------------------------------------------------------

    def set_status(self, path: str, status: str) -> None:
        """Of a proposal or a bug task."""
        now = stamp(datetime.now(UTC))
        entry = self.entries[path]
        if "queue_status" in entry:
            more = {"date_merged": now} if status == "Merged" else {}
            self.change(path, queue_status=status, date_reviewed=now, **more)
            return
        self.change(path, status=status, date_left_new=entry["date_left_new"] or now)
        self._touch(path)

    def comment(self, path: str, author: str, text: str, vote: str | None = None, when: datetime | None = None,
                vote_tag: str | None = None) -> str:  # fmt: skip
        """A comment on a proposal, perhaps with a vote, or a message on a task's bug. Returns its path."""
        when = when or datetime.now(UTC)
        entry = self.entries[path]
        with self.lock:
            self.number += 1
            said = {
                "owner_link": f"{self.root}~{author}",
                "content": text,
                "date_created": stamp(when),
                "visible": True,
            }
            if "queue_status" in entry:
                link = f"{path}/comments/{self.number}"
                self.put(
                    "code_review_comment", link, id=self.number, author_link=f"{self.root}~{author}",
                    message_body=text, vote=vote, vote_tag=vote_tag, title="Re: the proposal",
                    branch_merge_proposal_link=self.root + path, **said,
                )  # fmt: skip
                self.collections[path + "/all_comments"].append(link)
                if vote:
                    self._vote(path, author, vote_tag, link, when)
                return link
            bug = self.path_of(entry["bug_link"])
            messages = self.collections[bug + "/messages"]
            position = self.entries[bug]["message_count"]  # no number is given twice, whatever was deleted
            # Addressed through the bug's default task, as Launchpad does: its target is part of the address.
            link = f"{path}/comments/{position}"
            self.put("message", link, subject=self.entries[bug]["title"], **said)
            messages.append(link)
            self.change(bug, date_last_message=stamp(when), date_last_updated=stamp(when), message_count=position + 1)
            return link

    def edit_comment(self, comment: str, text: str) -> None:
        """The author changes what a comment or message says."""
        more = {"message_body": text} if "message_body" in self.entries[comment] else {}
        self.change(comment, content=text, date_last_edited=stamp(datetime.now(UTC)), **more)

    def hide_comment(self, comment: str) -> None:
        """An administrator hides a comment: it stays in the collection and says so."""
        self.change(comment, visible=False)

    # --- renaming ------------------------------------------------------------------------------------------

    def rename_person(self, name: str, new: str) -> None:
        """A person or team takes another name: all that is theirs has new addresses, the old ones redirect (301)."""
        self._rename(_prefix_rewriter("~" + name, "~" + new))
        self.change("~" + new, name=new)
        self.branches[new] = self.branches.pop(name, [])
        if name in self.members:
            self.members[new] = self.members.pop(name)
        for members in self.members.values():
            if name in members:
                members.remove(name)
                members.add(new)

    def rename_project(self, name: str, new: str) -> None:
        """A project takes another name: its branches and items have new addresses, the old ones redirect (301)."""
        pattern = re.compile(rf"^((?:~[^/]+/)?){re.escape(name)}(?=/|$)")
        self._rename(lambda path: pattern.sub(lambda found: found.group(1) + new, path))
        self.change(new, name=new)

    def move_branch(self, path: str, new: str) -> None:
        """A branch or repository moves (``~new-owner/project/name``); its proposals keep their number."""
        self._rename(_prefix_rewriter(path, new))
        self.change(new, owner_link=f"{self.root}{new.split('/')[0]}")
        for paths in self.branches.values():
            if new in paths:
                paths.remove(new)
        if "bzr_identity" in self.entries[new]:
            self.branches.setdefault(new.split("/")[0].removeprefix("~"), []).append(new)

    def moved_to(self, path: str) -> str:
        """Where something is now that once had this path; the path itself when nothing moved."""
        if path in self.entries or path in self.collections:
            return path
        for rename in self.renames:
            path = rename(path)
        return path

    def _rename(self, rewrite: Callable[[str], str]) -> None:
        """Give every path and every link in every entry its new form."""
        with self.lock:
            self.renames.append(rewrite)
            self.entries = {
                rewrite(path): _with_etag({name: self._rewritten(value, rewrite) for name, value in entry.items()})
                for path, entry in self.entries.items()
            }
            self.collections = {rewrite(path): [*map(rewrite, items)] for path, items in self.collections.items()}
            self.diffs = {rewrite(path): text for path, text in self.diffs.items()}
            for comments in self.inline_comments.values():
                for comment in comments:
                    comment["person"] = rewrite(comment["person"])
            self.hidden = {rewrite(path): status for path, status in self.hidden.items()}
            self.branches = {owner: [*map(rewrite, paths)] for owner, paths in self.branches.items()}
            self.proposals = [*map(rewrite, self.proposals)]
            self.tasks = [*map(rewrite, self.tasks)]
            self.reports = [*map(rewrite, self.reports)]

    def _rewritten(self, value: Any, rewrite: Callable[[str], str]) -> Any:
        for prefix in (self.root, self.url, GIT_HOST, "lp:"):
            if isinstance(value, str) and value.startswith(prefix):
                return prefix + rewrite(value.removeprefix(prefix))
        return rewrite(value) if isinstance(value, str) and value.startswith("~") else value


def _prefix_rewriter(old: str, new: str) -> Callable[[str], str]:
    def rewrite(path: str) -> str:
        return new + path.removeprefix(old) if path == old or path.startswith(old + "/") else path

    return rewrite


def _with_etag(entry: Entry) -> Entry:
    facts = {name: value for name, value in entry.items() if name != "http_etag"}
    entry["http_etag"] = f'"{_sha1(json.dumps(facts, default=str))}"'
    return entry


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
