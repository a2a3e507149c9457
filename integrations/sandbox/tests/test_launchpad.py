"""The sandbox's Launchpad answers as Launchpad does, whatever people did there."""

from datetime import UTC, datetime

import pytest
import requests

NOW = datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.fixture
def launchpad(sandbox):
    """With two people, a team of one of them, and a trunk."""
    launchpad = sandbox.launchpad
    launchpad.add_person("ada", "Ada")
    launchpad.add_person("rev", "Rev")
    launchpad.add_team("reviewers", "Reviewers", ["rev"])
    launchpad.add_branch("reviewers", "thing/trunk")
    return launchpad


@pytest.fixture
def proposal(launchpad):
    """A proposal by ada that the team is asked to review."""
    source = launchpad.add_branch("ada", "thing/fix")
    return launchpad.add_proposal(
        source, "~reviewers/thing/trunk", registrant="ada", created=NOW, asked=["reviewers"], description="Fixes it."
    )


@pytest.fixture
def task(launchpad):
    """A bug's task with a linked branch."""
    branch = launchpad.add_branch("ada", "charms/trusty/new/trunk")
    return launchpad.add_bug("charms", "New charm: new", owner="ada", branch=branch, created=NOW)


def get(launchpad, path, **parameters):
    return requests.get(launchpad.root + path, params=parameters, timeout=60, allow_redirects=False)


def entries(launchpad, path, **parameters):
    return get(launchpad, path, **parameters).json()["entries"]


def votes(launchpad, proposal):
    return [
        (vote["reviewer_link"].rsplit("~", 1)[-1], vote["is_pending"], (vote["comment_link"] or "").rpartition("/")[2])
        for vote in entries(launchpad, proposal + "/votes")
    ]


# --- The same thing under another name -------------------------------------------------------------------


def test_a_renamed_persons_proposal_redirects_to_its_new_address(launchpad, proposal):
    launchpad.rename_person("ada", "lovelace")
    answer = get(launchpad, proposal)
    moved = proposal.replace("~ada/", "~lovelace/")
    assert (answer.status_code, answer.headers["Location"]) == (301, launchpad.root + moved)
    entry = get(launchpad, moved).json()
    assert entry["registrant_link"] == launchpad.root + "~lovelace"
    assert entry["source_branch_link"] == launchpad.root + "~lovelace/thing/fix"


def test_an_operation_on_a_renamed_team_redirects_with_its_parameters(launchpad, proposal):
    launchpad.rename_person("reviewers", "old-reviewers")
    answer = get(launchpad, "~reviewers", **{"ws.op": "getRequestedReviews"})
    assert answer.headers["Location"] == launchpad.root + "~old-reviewers?ws.op=getRequestedReviews"
    assert len(requests.get(answer.headers["Location"], timeout=60).json()["entries"]) == 1


def test_a_renamed_project_takes_its_items_along(launchpad, proposal):
    launchpad.rename_project("thing", "gadget")
    assert get(launchpad, "thing", **{"ws.op": "getMergeProposals"}).status_code == 301
    [entry] = entries(launchpad, "gadget", **{"ws.op": "getMergeProposals"})
    assert entry["self_link"] == launchpad.root + proposal.replace("/thing/", "/gadget/")


def test_a_moved_branch_keeps_the_number_of_its_proposal(launchpad, proposal):
    launchpad.move_branch("~ada/thing/fix", "~rev/thing/better-fix")
    number = proposal.rpartition("/")[2]
    assert get(launchpad, proposal).headers["Location"].endswith(f"~rev/thing/better-fix/+merge/{number}")


def test_a_retargeted_bug_redirects_and_its_messages_move_along(launchpad, task):
    moved = launchpad.retarget(task, "other")
    assert get(launchpad, task).headers["Location"] == launchpad.root + moved
    assert get(launchpad, moved).json()["target_link"] == launchpad.root + "other"
    bug = get(launchpad, moved).json()["bug_link"].removeprefix(launchpad.root)
    assert [message["self_link"] for message in entries(launchpad, bug + "/messages")] == [
        f"{launchpad.root}{moved}/comments/0"
    ]
    assert entries(launchpad, "charms", **{"ws.op": "searchTasks"}) == []


def test_a_duplicate_keeps_its_status_and_names_the_other(launchpad, task):
    other = launchpad.add_bug("charms", "The first", owner="rev", branch=None, created=NOW)
    launchpad.mark_duplicate(task, of=other)
    bug = get(launchpad, get(launchpad, task).json()["bug_link"].removeprefix(launchpad.root)).json()
    assert bug["duplicate_of_link"] == launchpad.entries[other]["bug_link"]
    assert get(launchpad, task).json()["status"] == "New"


# --- Private, hidden, gone -------------------------------------------------------------------------------


def test_a_private_bug_says_so_in_the_bug(launchpad, task):
    launchpad.set_private(task)
    bug = get(launchpad, get(launchpad, task).json()["bug_link"].removeprefix(launchpad.root)).json()
    assert (bug["private"], bug["information_type"]) == (True, "Private")


def test_a_private_proposal_can_become_public_again(launchpad, proposal):
    launchpad.set_private(proposal)
    assert get(launchpad, proposal).json()["private"] is True
    launchpad.set_private(proposal, False)
    assert get(launchpad, proposal).json()["private"] is False


def test_what_our_account_may_not_see_is_left_out_of_a_batch_after_it_was_cut(launchpad):
    tasks = [launchpad.add_bug("charms", str(n), owner="ada", branch=None, created=NOW) for n in range(6)]
    for path in tasks[2:4]:
        launchpad.hide(path, 403)
    page = get(launchpad, "charms", **{"ws.op": "searchTasks", "ws.start": 2, "ws.size": 2}).json()
    assert (page["entries"], page["total_size"], "next_collection_link" in page) == ([], 6, True)
    assert get(launchpad, tasks[2]).status_code == 403


def test_a_deleted_item_is_gone(launchpad, proposal):
    launchpad.delete(proposal)
    assert get(launchpad, proposal).status_code == 404
    assert entries(launchpad, "thing", **{"ws.op": "getMergeProposals"}) == []


def test_what_never_was_is_not_found(launchpad):
    assert get(launchpad, "~nobody", **{"ws.op": "getBranches"}).status_code == 404
    assert get(launchpad, "nothing", **{"ws.op": "getMergeProposals"}).status_code == 404


# --- Collections -----------------------------------------------------------------------------------------


def test_items_can_move_between_two_batches(launchpad):
    tasks = [launchpad.add_bug("charms", str(n), owner="ada", branch=None, created=NOW) for n in range(4)]
    launchpad.before_next_batch(lambda: launchpad.set_status(tasks[0], "Fix Released"))
    first = get(launchpad, "charms", **{"ws.op": "searchTasks", "status": "New", "ws.size": 2}).json()
    second = requests.get(first["next_collection_link"], timeout=60).json()
    assert (first["total_size"], second["total_size"], len(second["entries"])) == (4, 3, 1)


def test_a_batch_that_is_too_large_runs_out_of_time(launchpad):
    for number in range(3):
        launchpad.add_bug("charms", str(number), owner="ada", branch=None, created=NOW)
    launchpad.largest_batch = 2
    assert get(launchpad, "charms", **{"ws.op": "searchTasks", "ws.size": 300}).status_code == 503
    assert get(launchpad, "charms", **{"ws.op": "searchTasks", "ws.size": 2}).status_code == 200


def test_the_size_alone_can_be_asked_for(launchpad, proposal):
    launchpad.comment(proposal, "rev", "Looks good.")
    assert get(launchpad, "thing", **{"ws.op": "getMergeProposals", "ws.show": "total_size"}).json() == 1
    assert get(launchpad, proposal + "/all_comments", **{"ws.show": "total_size"}).json() == {"total_size": 1}


def test_bugs_can_be_asked_for_since_they_changed(launchpad, task):
    since = datetime.now(UTC).isoformat()
    assert entries(launchpad, "charms", **{"ws.op": "searchTasks", "modified_since": since}) == []
    launchpad.comment(task, "rev", "Looks good.")
    assert len(entries(launchpad, "charms", **{"ws.op": "searchTasks", "modified_since": since})) == 1


# --- What people say -------------------------------------------------------------------------------------


def test_an_edited_comment_says_when_it_was_edited(launchpad, proposal):
    comment = launchpad.comment(proposal, "rev", "-1")
    launchpad.edit_comment(comment, "+1")
    [entry] = entries(launchpad, proposal + "/all_comments")
    assert (entry["content"], bool(entry["date_last_edited"])) == ("+1", True)


def test_a_hidden_comment_says_so(launchpad, task):
    launchpad.hide_comment(launchpad.comment(task, "rev", "spam"))
    bug = launchpad.entries[task]["bug_link"].removeprefix(launchpad.root)
    assert [message["visible"] for message in entries(launchpad, bug + "/messages")] == [True, False]


def test_a_deleted_message_leaves_its_number_unused(launchpad, task):
    launchpad.delete(launchpad.comment(task, "rev", "first"))
    launchpad.comment(task, "rev", "second")
    launchpad.comment(task, "rev", "third")
    bug = launchpad.entries[task]["bug_link"].removeprefix(launchpad.root)
    numbers = [message["self_link"].rpartition("/")[2] for message in entries(launchpad, bug + "/messages")]
    assert numbers == ["0", "2", "3"]


def test_a_later_vote_of_the_same_person_replaces_the_earlier_one(launchpad, proposal):
    launchpad.comment(proposal, "ada", "no", "Needs Fixing", vote_tag="lxc")
    last = launchpad.comment(proposal, "ada", "yes", "Approve", vote_tag="aws")
    assert votes(launchpad, proposal) == [("reviewers", True, ""), ("ada", False, last.rpartition("/")[2])]


def test_a_members_vote_answers_for_the_team_that_was_asked(launchpad, proposal):
    asked = {"ws.op": "getRequestedReviews"}
    assert len(entries(launchpad, "~reviewers", **asked)) == 1
    comment = launchpad.comment(proposal, "rev", "yes", "Approve")
    assert votes(launchpad, proposal) == [("rev", False, comment.rpartition("/")[2])]
    assert entries(launchpad, "~reviewers", **asked) == []


def test_a_comment_without_a_vote_claims_nothing(launchpad, proposal):
    launchpad.comment(proposal, "rev", "I will look at it.")
    assert votes(launchpad, proposal) == [("reviewers", True, "")]


def test_a_vote_answers_for_a_team_of_teams_too(launchpad, proposal):
    launchpad.add_person("zoe", "Zoe")
    launchpad.add_team("inner", "Inner", ["zoe"])
    launchpad.add_team("outer", "Outer", ["inner", "ada"])
    launchpad.ask_for_review(proposal, "outer")
    comment = launchpad.comment(proposal, "zoe", "yes", "Approve")
    assert votes(launchpad, proposal) == [("reviewers", True, ""), ("zoe", False, comment.rpartition("/")[2])]
    assert [entry["name"] for entry in entries(launchpad, "~outer/participants")] == ["inner", "ada", "zoe"]


# --- Revision status reports -----------------------------------------------------------------------------

COMMIT = "4f2a9c0d" * 5


@pytest.fixture
def repository(launchpad):
    """Of a team that our account is in."""
    launchpad.add_team("makers", "Makers", ["queue-bot"])
    return launchpad.add_repository("makers", "thing", "thing")


def write(launchpad, path, operation, version="devel", **parameters):
    headers = {"Authorization": 'OAuth oauth_token="sandbox-token"'}
    return requests.post(
        f"{launchpad.url}{version}/{path}", {"ws.op": operation, **parameters}, headers=headers, timeout=60
    )


def results(launchpad, repository):
    found = entries(launchpad, repository, **{"ws.op": "getStatusReports", "commit_sha1": COMMIT})
    return [(report["title"], report["result"], bool(report["date_finished"])) for report in found]


def test_a_commit_is_reported_on_and_the_report_moves_on(launchpad, repository):
    made = write(launchpad, repository, "newStatusReport", title="lxc", commit_sha1=COMMIT, result="Waiting")
    assert made.status_code == 201
    assert results(launchpad, repository) == [("lxc", "Waiting", False)]
    report = made.headers["Location"].removeprefix(launchpad.root)
    assert write(launchpad, report, "transitionToNewResult", result="Failed").status_code == 200
    assert write(launchpad, report, "update", result_summary="2 of 41 failed").status_code == 200
    assert results(launchpad, repository) == [("lxc", "Failed", True)]
    assert get(launchpad, report).json()["result_summary"] == "2 of 41 failed"


def test_who_may_not_edit_a_repository_may_not_report_on_it(launchpad):
    fork = launchpad.add_repository("ada", "thing", "thing")
    assert write(launchpad, fork, "newStatusReport", title="lxc", commit_sha1=COMMIT).status_code == 401
    assert results(launchpad, fork) == []


@pytest.mark.parametrize(
    "wrong", [{"result": "Passed"}, {"title": "123"}, {"title": ""}, {"result_summary": "two\nlines"}]
)
def test_a_report_that_launchpad_would_refuse_is_refused(launchpad, repository, wrong):
    given = {"title": "lxc", "commit_sha1": COMMIT, "result": "Waiting"} | wrong
    assert write(launchpad, repository, "newStatusReport", **given).status_code == 400
    assert results(launchpad, repository) == []


def test_reports_are_of_the_newest_api_only(launchpad, repository):
    answer = write(launchpad, repository, "newStatusReport", version="1.0", title="lxc", commit_sha1=COMMIT)
    assert answer.status_code == 400


# --- What is proposed ------------------------------------------------------------------------------------


def test_a_push_makes_a_new_preview_diff(launchpad, proposal):
    before = get(launchpad, proposal).json()["preview_diff_link"]
    launchpad.push(proposal, "--- a\n+++ a\n@@ -1 +1,2 @@\n-x\n+y\n+z\n", conflicts="CONFLICT in a")
    link = get(launchpad, proposal).json()["preview_diff_link"]
    diff = requests.get(link, timeout=60).json()
    assert link != before
    assert (diff["added_lines_count"], diff["removed_lines_count"], diff["conflicts"]) == (2, 1, "CONFLICT in a")
    assert requests.get(diff["diff_text_link"], timeout=60).text.startswith("--- a")


def test_the_text_of_a_diff_is_in_the_librarian(launchpad, proposal):
    diff = requests.get(get(launchpad, proposal).json()["preview_diff_link"], timeout=60).json()
    answer = requests.get(diff["diff_text_link"], timeout=60, allow_redirects=False)
    assert answer.status_code == 303
    text = requests.get(answer.headers["Location"], timeout=60)
    assert (text.status_code, text.text[:10]) == (200, "--- README")
    assert requests.get(f"{launchpad.url}librarian/none/preview.diff", timeout=60).status_code == 404


def test_a_linked_bug_is_found_from_its_branch_and_its_proposal(launchpad, proposal, task):
    launchpad.link_bug(task, "~ada/thing/fix")
    launchpad.link_bug(task, proposal)
    bug = launchpad.entries[task]["bug_link"]
    assert [entry["self_link"] for entry in entries(launchpad, "~ada/thing/fix/linked_bugs")] == [bug]
    assert [entry["self_link"] for entry in entries(launchpad, proposal + "/bugs")] == [bug]


# --- Pages -----------------------------------------------------------------------------------------------


def test_a_person_reads_what_was_said_of_a_proposal(launchpad, proposal):
    launchpad.comment(proposal, "rev", "<b>Looks good.</b>", "Approve")
    page = requests.get(launchpad.url + proposal, timeout=60).text
    assert "Needs review" in page
    assert "Rev (Approve)" in page
    assert "&lt;b&gt;Looks good.&lt;/b&gt;" in page


def test_a_person_reads_who_reviews_and_what_was_reported(launchpad, repository):
    path = launchpad.add_proposal(
        repository, repository, registrant="ada", created=NOW, git_path="fix", asked=["reviewers"]
    )
    commit = launchpad.entries[f"{repository}/+ref/fix"]["commit_sha1"]
    launchpad.add_status_report(repository, "queue-bot", title="lxc", commit_sha1=commit, result="Running")
    launchpad.comment(path, "ada", "no", "Needs Fixing")
    page = requests.get(launchpad.url + path, timeout=60).text
    assert "<td>Reviewers<td><td>Pending" in page
    assert "<td>Ada<td><td>Needs Fixing" in page
    assert "<td>lxc<td>Running" in page


def test_a_person_reads_what_was_said_of_a_bug(launchpad, task):
    launchpad.comment(task, "rev", "Looks good.")
    page = requests.get(launchpad.url + task, timeout=60).text
    assert "<h1>New charm: new</h1>" in page
    assert "Looks good." in page


def test_a_page_that_never_was_is_not_found(launchpad):
    assert requests.get(launchpad.url + "~nobody", timeout=60).status_code == 404
