"""Two teams in one queue, over real HTTP: each with its own server, job, substrates, trust, reviewers and votes.

The charms team tests everybody's code on lxc and aws with the environment's job; the GUI team tests trusted people's
code in firefox, with a job on a server of its own. Builds move when the test says so, and call back to a server that
really listens; what counts is what the sandbox's Jenkins servers were sent, and what its Launchpad holds at the end.
"""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from accounts.models import Person, User
from integrations.launchpad.refreshing import refresh
from integrations.sandbox import GUI_API_TOKEN, GUI_JOB_TOKEN
from integrations.sandbox.jenkins import USER
from integrations.tasks import import_from_launchpad, publish_results
from reviews.models import Review, Source
from testing.models import Job, PlanRow, Server, Substrate, TestRun
from testing.sweep import sweep

pytestmark = pytest.mark.django_db(transaction=True)

CREDENTIALS = "[1]\nconsumer_key = review-queue\nconsumer_secret = \naccess_token = sandbox-token\naccess_secret = s\n"
DAY = datetime(2026, 11, 1, 10, tzinfo=UTC)
VERDICT = "Tests: the verdict"  # the title of its status report
WORDS = {"SUCCESS": "PASS", "UNSTABLE": "FAIL"}


class TwoTeams:
    """What happens on Launchpad and on both servers, and what they hold."""

    def __init__(self, sandbox, client):
        self.launchpad, self.client = sandbox.launchpad, client
        self.servers = {"charms": sandbox.jenkins, "gui": sandbox.second_jenkins}

    def propose(self, project, owner):
        """A Git proposal into a team's project; for charms from a repository that our account may report on.

        Returns its path.
        """
        fork = self.launchpad.add_repository(
            "makers" if project == "charms" else owner, project, f"{project}-of-{owner}"
        )
        return self.launchpad.add_proposal(
            fork, f"~{project}-team/{project}/+git/{project}", registrant=owner, created=DAY, git_path="fix",
            asked=[f"{project}-team"], commit_message=f"Fix {project}",
        )  # fmt: skip

    def review(self, path):
        """What the queue knows of a proposal."""
        return Review.objects.get(number=int(path.rpartition("/")[2]))

    def look(self, path):
        """The queue looks at a proposal again."""
        refresh(self.review(path))

    def build(self, team):
        """The sweep sends what is due. Returns the names of the substrates that the team's job was sent since."""
        before = set(self.servers[team].builds)
        TestRun.objects.unfinished().filter(status="retry").update(next_attempt_at=timezone.now())
        sweep()
        return sorted(
            build.parameters["envs"]
            for number, build in self.servers[team].builds.items()
            if number not in before and build.state == "queued"
        )

    def end(self, team, substrate, result):
        """The newest build on a substrate runs to its end, and says so."""
        jenkins = self.servers[team]
        number = max(n for n, build in jenkins.builds.items() if build.parameters["envs"] == substrate)
        jenkins.begin(number)
        assert jenkins.call_back(number, "RUNNING") == 200
        publish_results()
        jenkins.end(number, result)
        assert jenkins.call_back(number, WORDS[result]) == 200
        sweep()  # collects the single tests
        publish_results()

    def post(self, reviewer, path, what, **data):
        """A reviewer's request to the API, about a proposal."""
        person = Person.objects.get(username=reviewer)  # the import knows who is in the teams
        self.client.force_login(User.objects.get_or_create(username=reviewer, defaults={"person": person})[0])
        url = f"/api/reviews/{self.review(path).pk}/{what}/"
        return self.client.post(url, data, content_type="application/json")

    def table(self, path):
        """Launchpad's review table: who, and what they said last; None while they are waited for."""
        launchpad = self.launchpad
        votes = [launchpad.entries[vote] for vote in launchpad.collections[path + "/votes"]]
        return {
            vote["reviewer_link"].rpartition("~")[2]: vote["comment_link"]
            and launchpad.entries[launchpad.path_of(vote["comment_link"])]["vote"]
            for vote in votes
        }

    def said(self, path):
        """The first line of each comment of our account, oldest first."""
        comments = [self.launchpad.entries[comment] for comment in self.launchpad.collections[path + "/all_comments"]]
        return [each["content"].splitlines()[0] for each in comments if each["author_link"].endswith("~queue-bot")]

    def reports(self, path):
        """The status reports on the proposal's commits, oldest first: title and result."""
        entry = self.launchpad.entries[path]
        repository = self.launchpad.path_of(entry["source_git_repository_link"])
        reports = [self.launchpad.entries[report] for report in self.launchpad.reports_on(repository)]
        return [(report["title"], report["result"]) for report in reports]


@pytest.fixture
def teams(sandbox, live_server, settings, client):
    settings.BASE_URL = live_server.url
    settings.REVIEWER_TEAMS = ["charms-team"]
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(CREDENTIALS)
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o600)
    Source.objects.update(active=False)
    launchpad, second = sandbox.launchpad, sandbox.second_jenkins
    for name in ("ada", "friend", "stranger", "rev-charms", "rev-gui"):
        launchpad.add_person(name, name.title())
    for project in ("charms", "gui"):
        launchpad.add_team(f"{project}-team", project.title(), [f"rev-{project}"])
        launchpad.add_repository(f"{project}-team", project, project)
    launchpad.add_team("gui-friends", "Friends of the GUI", ["friend"])
    launchpad.add_team("makers", "Makers", ["ada", "queue-bot"])
    Source.objects.create(
        name="charms-git", kind="git-repository", target="~charms-team/charms/+git/charms", starts_tests="everybody",
        comments="on", vote_policy="failures", status_reports=True,
    )  # fmt: skip
    gui = Source.objects.create(
        name="gui", kind="git-repository", target="~gui-team/gui/+git/gui", starts_tests="trusted",
        trusted_teams=["gui-friends"], reviewer_teams=["gui-team"], comments="on", vote_policy="both",
    )  # fmt: skip
    server = Server.objects.create(name="gui-ci", url=second.url, user=USER, api_token=GUI_API_TOKEN)
    job = Job.objects.create(name="ui-tests", server=server, path=sandbox.second_jenkins.job.path, token=GUI_JOB_TOKEN)
    PlanRow.objects.create(substrate=Substrate.objects.get(name="aws"))
    PlanRow.objects.create(source=gui, job=job, default=False)
    PlanRow.objects.create(source=gui, job=job, substrate=Substrate.objects.create(name="firefox"))
    return TwoTeams(sandbox, client)


def test_each_item_goes_its_teams_way(teams):
    charm, widget = teams.propose("charms", "stranger"), teams.propose("gui", "friend")
    import_from_launchpad()
    assert (teams.build("charms"), len(teams.servers["gui"].builds)) == (["aws", "lxc"], 1)
    for team, substrate in (("charms", "lxc"), ("charms", "aws"), ("gui", "firefox")):
        teams.end(team, substrate, "SUCCESS")
    # Approve where the team's policy is to say so; whom the team asked is asked still.
    assert teams.table(charm) == {"charms-team": None}
    assert teams.table(widget) == {"gui-team": None, "queue-bot": "Approve"}
    assert [len(teams.said(path)) for path in (charm, widget)] == [1, 1]
    reports = teams.reports(charm)
    assert sorted(reports[:2]) == [("Tests on aws", "Succeeded"), ("Tests on lxc", "Succeeded")]
    assert [result for _, result in reports[2:]] == ["Succeeded"]  # the verdict's
    assert teams.reports(widget) == []  # its source reports none
    build = teams.servers["gui"].builds[1].parameters
    assert (build["envs"], build["target_branch"], build["title"]) == ("firefox", "master", "Fix gui")


def test_a_failure_is_one_needs_fixing_whatever_passes_after_it_and_is_taken_back(teams):
    path = teams.propose("charms", "ada")
    import_from_launchpad()
    teams.build("charms")
    teams.end("charms", "lxc", "UNSTABLE")
    assert teams.said(path) == []  # not before the last run has its outcome
    teams.end("charms", "aws", "SUCCESS")
    assert teams.table(path) == {"charms-team": None, "queue-bot": "Needs Fixing"}
    [line] = teams.said(path)
    assert "lxc" in line
    assert "aws passed" in line
    assert teams.review(path).verdict == "fail"

    assert teams.post("rev-charms", path, "test-runs", substrates=["lxc"]).status_code == 201
    assert teams.build("charms") == ["lxc"]
    teams.end("charms", "lxc", "SUCCESS")
    assert teams.table(path) == {"charms-team": None, "queue-bot": "Abstain"}
    assert (len(teams.said(path)), teams.review(path).verdict) == (2, "pass")


def test_status_reports_are_one_a_run_and_the_verdicts_is_the_last(teams):
    path = teams.propose("charms", "ada")
    import_from_launchpad()
    teams.build("charms")
    publish_results()
    assert sorted(teams.reports(path)) == [(title, "Waiting") for title in ("Tests on aws", "Tests on lxc", VERDICT)]
    teams.end("charms", "lxc", "UNSTABLE")
    assert teams.reports(path)[-1] == (VERDICT, "Running")
    teams.end("charms", "aws", "SUCCESS")
    first = teams.reports(path)
    assert sorted(first) == [("Tests on aws", "Succeeded"), ("Tests on lxc", "Failed"), (VERDICT, "Failed")]
    assert first[-1] == (VERDICT, "Failed")  # what Launchpad takes for the commit's

    teams.post("rev-charms", path, "test-runs", substrates=["lxc"])
    teams.build("charms")
    teams.end("charms", "lxc", "SUCCESS")
    publish_results()
    assert teams.reports(path) == [*first, ("Tests on lxc", "Succeeded"), (VERDICT, "Succeeded")]
    writes = [tuple(sorted(write.items())) for write in teams.launchpad.report_writes]
    assert len(writes) == len(set(writes))  # each once


def test_a_strangers_code_is_sent_only_as_far_as_a_reviewer_allowed_it(teams):
    path = teams.propose("gui", "stranger")
    jenkins = teams.servers["gui"]
    import_from_launchpad()
    assert teams.build("gui") == []
    assert (len(jenkins.builds), teams.review(path).tests_wait_for) == (0, "permission")

    allowed = teams.review(path).revision
    assert teams.post("rev-gui", path, "allow-tests", revision=allowed).status_code == 200
    assert teams.build("gui") == ["firefox"]
    assert [build.parameters["revision"] for build in jenkins.builds.values()] == [allowed]

    teams.launchpad.push(path)
    teams.look(path)
    assert teams.build("gui") == []
    assert (len(jenkins.builds), teams.review(path).tests_wait_for) == (1, "permission")
    assert (
        teams.post("rev-gui", path, "allow-tests", revision=allowed).status_code == 409
    )  # what the reviewer looked at is old
    assert teams.build("gui") == []


def test_a_server_that_is_down_holds_up_its_own_team_only(teams):
    charm, widget = teams.propose("charms", "ada"), teams.propose("gui", "friend")
    import_from_launchpad()
    teams.servers["gui"].stop()
    assert teams.build("charms") == ["aws", "lxc"]
    assert set(teams.review(charm).test_runs.values_list("status", flat=True)) == {"pending"}
    assert teams.review(widget).test_runs.get().status == "retry"
