"""The lines of docs/jenkins.md that merge what is proposed into its target, run for real with Git."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

from integrations.jenkins.results import parse_results

LINES = re.search(
    r"```sh\n(#!/bin/sh\n# Merges .*?)```", (settings.BASE_DIR / "docs/jenkins.md").read_text(), re.DOTALL
)
NAMED = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


class Workspace:
    """A job's folder, and a repository with branches to merge from and into."""

    def __init__(self, place: Path, origin: Path) -> None:
        self.place, self.origin, self.said = place, origin, ""

    def run(self, **parameters: str) -> int:
        """Run the lines as a build does. Returns their exit status."""
        asked = {"source_url": str(self.origin), "target_url": str(self.origin), "target_branch": "main", **parameters}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.place), "GIT_ALLOW_PROTOCOL": "file", **asked}
        done = subprocess.run(
            ["/bin/sh", self.place / "merge.sh"], cwd=self.place, env=environment, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
        self.said = done.stdout + done.stderr
        return done.returncode

    def merged(self) -> dict[str, str]:
        """The files that came out, with what is in them."""
        return {path.name: path.read_text() for path in (self.place / "merged").iterdir() if path.is_file()}

    def tip(self, branch: str) -> str:
        return git(self.origin, "rev-parse", branch)


def git(place: Path, *command: str) -> str:
    return subprocess.run(
        ["git", *command], cwd=place, env=os.environ | NAMED, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()  # fmt: skip


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """main has moved on since the branches began; ``fix`` adds a file, ``clash`` changes what main has changed."""
    place = tmp_path_factory.mktemp("origin")
    git(place, "init", "-q", "-b", "main")

    def commit(branch: str, start: str, **files: str) -> None:
        git(place, "checkout", "-q", "-B", branch, *([start] if start else []))
        for name, text in files.items():
            (place / name).write_text(text)
        git(place, "add", "-A")
        git(place, "commit", "-q", "-m", branch)

    commit("main", "", readme="one\n")
    for branch, files in {
        "fix": {"fix": "fixed\n"}, "clash": {"readme": "two\n"}, "first": {"first": "1\n"},
        "unrelated": {"readme": "three\n"},
    }.items():  # fmt: skip
        commit(branch, "main", **files)
    commit("later", "fix", late="late\n")
    commit("main", "main", readme="four\n")
    git(place, "branch", "-q", "before", "main~1")
    return place


@pytest.fixture
def workspace(tmp_path: Path, origin: Path) -> Workspace:
    assert LINES, "docs/jenkins.md has the lines"
    (tmp_path / "merge.sh").write_text(LINES[1])
    return Workspace(tmp_path, origin)


def test_what_is_proposed_is_merged_into_its_target(workspace):
    assert workspace.run(source_branch="fix") == 0, workspace.said
    assert workspace.merged() == {"readme": "four\n", "fix": "fixed\n"}


def test_the_revision_of_the_target_is_left_for_the_callback(workspace):
    workspace.run(source_branch="fix")
    assert (workspace.place / "target_revision").read_text().strip() == workspace.tip("main")


def test_the_prerequisite_is_merged_first(workspace):
    assert workspace.run(source_branch="fix", prerequisite_url=str(workspace.origin), prerequisite_branch="first") == 0
    assert workspace.merged() == {"readme": "four\n", "fix": "fixed\n", "first": "1\n"}


def test_the_revision_that_was_proposed_is_merged_though_its_branch_has_moved_on(workspace):
    assert workspace.run(source_branch="later", revision=workspace.tip("fix")) == 0
    assert "late" not in workspace.merged()


def test_a_conflict_is_a_fail_with_a_clear_line(workspace):
    assert workspace.run(source_branch="clash") == 1
    assert "MERGE CONFLICT: the proposed branch does not merge into the target." in workspace.said
    assert "readme" in workspace.said.splitlines()  # what conflicts


def test_a_conflict_leaves_results_that_say_so(workspace):
    workspace.run(source_branch="clash")
    results = parse_results((workspace.place / "results.json").read_bytes())
    assert (results.passed, [test.test for test in results.tests]) == (False, ["merge into the target"])
    assert "resolve the conflicts" in results.tests[0].output


def test_a_prerequisite_that_conflicts_is_named(workspace):
    status = workspace.run(source_branch="fix", prerequisite_url=str(workspace.origin), prerequisite_branch="clash")
    assert (status, "the prerequisite does not merge" in workspace.said) == (1, True)


@pytest.mark.parametrize(
    "parameters",
    [
        {"source_branch": "gone"},
        {"source_branch": "fix", "revision": "0" * 40},
        {"source_branch": "fix", "target_branch": "gone"},
        {"source_branch": "fix", "target_url": "/nowhere"},
        {"source_branch": "fix", "source_url": "ext::sh -c 'touch owned'"},
        {"source_branch": "fix", "source_url": "--upload-pack=touch owned"},
        {"source_branch": "$(touch owned)"},
        {"source_branch": "fix", "target_branch": "main;touch owned"},
    ],
)
def test_what_cant_be_fetched_says_nothing_of_the_change_and_runs_nothing(workspace, parameters):
    assert workspace.run(**parameters) == 2, workspace.said
    assert "NOT MERGED" in workspace.said
    assert not (workspace.place / "results.json").exists()
    assert not list(workspace.place.rglob("owned"))


def test_without_a_target_the_branch_itself_is_there(workspace):
    assert workspace.run(source_branch="fix", target_url="", target_branch="") == 0
    assert workspace.merged() == {"readme": "one\n", "fix": "fixed\n"}


def test_what_an_earlier_build_left_is_gone(workspace):
    workspace.run(source_branch="clash")
    assert workspace.run(source_branch="fix") == 0
    assert not (workspace.place / "results.json").exists()
