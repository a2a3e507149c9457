"""A believable queue of charms for the sandbox's Launchpad: the same queue for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from integrations.sandbox.diffs import answered, believable_diff
from integrations.sandbox.world import BOT, LaunchpadWorld

TEAM = "charmers"
GUI_TEAM = "juju-gui"
# Teams whose members' code is tested without asking, one a project, of so many of the submitters.
HELPER_CONTRIBUTORS, GUI_CONTRIBUTORS = "charm-helpers-contributors", "juju-gui-contributors"
TRUSTED_SUBMITTERS = 8
HELPER_DEVELOPERS = "charm-helpers-dev"  # who may push to the repository that they share; our account reports there
REVIEWERS = {
    "marta-k": "Marta Kowalska", "tvansteen": "Tim Van Steen", "adaeze": "Adaeze Obi", "cory-j": "Cory Jensen",
    "kwmon": "Kevin Monroy", "seman": "Sema Nalbandian",
}  # fmt: skip
SUBMITTERS = {
    "bjorn": "Björn Åkesson", "li-wei": "李伟", "priya-r": "Priya Raman", "joao": "João Teixeira",
    "sven-thal": "Sven Thal", "fatima-z": "فاطمة الزهراء", "o-brien": "Siobhán O’Brien", "dmitri-v": "Дмитрий Ветров",
    "hana": "花田 はな", "tomasz-z": "Tomasz Zieliński", "mkhumalo": "Mandla Khumalo", "gregorio": "Gregorio Basso",
    "lucia-f": "Lucía Fernández", "noor": "Noor Haddad", "jonas-l": "Jonas Lindqvist", "ewa": "Ewa Mazur",
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """What one proposal does: the name of its branch, its title, why, and the file that it touches."""

    branch: str
    title: str
    reason: str
    file: str


CHANGES = (
    Change("storage-hook", "Add a storage hook so that data survives an upgrade",
           "Units kept their data on the root disk and lost it when the machine was replaced.",
           "hooks/storage-attached"),
    Change("leader-relation", "Fix the relation when the leader changes",
           "The new leader published the old leader's address until the next config-changed.",
           "hooks/leader-elected"),
    Change("restart-on-change", "Restart the service only when its configuration changed",
           "Every config-changed restarted the service, also when the file was the same as before.",
           "hooks/config-changed"),
    Change("python3", "Port the hooks to Python 3",
           "Xenial has no python by default. Tested on trusty and xenial.",
           "hooks/hooks.py"),
    Change("amulet-tests", "Add amulet tests for the website relation",
           "Deploys two units behind haproxy and asks for the front page through the proxy.",
           "tests/10-deploy"),
    Change("tls-options", "Let TLS certificates be given as configuration",
           "ssl_cert and ssl_key take a PEM file in base64; without them nothing changes.",
           "config.yaml"),
    Change("sync-charm-helpers", "Update charm-helpers",
           "Sync of lib/charmhelpers at revision 614, for the new status functions.",
           "hooks/charmhelpers/core/hookenv.py"),
    Change("workload-status", "Set the workload status while packages are installed",
           "juju status said 'unknown' for the ten minutes that the installation takes.",
           "hooks/install"),
    Change("scale-out", "Support more than one unit behind a proxy",
           "Each unit publishes its own address, and sessions are kept in memcached.",
           "hooks/website-relation-joined"),
    Change("retry-download", "Retry the package download when the mirror is slow",
           "Three tries with a pause; the last error is shown in the status.",
           "hooks/install"),
)  # fmt: skip
GUI_CHANGES = (
    Change("machine-view-search", "Search in the machine view", "Filters machines and containers by name.",
           "app/widgets/machine-view-panel.js"),
    Change("export-bundle", "Export a bundle with placement", "Keeps machines and constraints in the bundle.",
           "app/models/bundle-exporter.js"),
    Change("inspector-units", "List units in the inspector by status", "Units in error come first.",
           "app/widgets/inspector.js"),
    Change("added-services-bar", "Highlight services in the added services bar", "Follows the new design.",
           "app/widgets/added-services.js"),
    Change("uncommitted-changes", "Summarise uncommitted changes", "Groups them by service in the deployer bar.",
           "app/widgets/deployer-bar.js"),
    Change("user-dropdown", "Show the user's name in the header", "With a link to the profile and to log out.",
           "app/components/user-dropdown.js"),
)  # fmt: skip
HELPER_CHANGES = (
    Change("status-set-fallback", "status_set: fall back to the log on old Juju versions", "Juju 1.23 has no status.",
           "charmhelpers/core/hookenv.py"),
    Change("apt-retry", "apt_install: retry while dpkg is locked", "cloud-init holds the lock on the first boot.",
           "charmhelpers/fetch/ubuntu.py"),
    Change("mount-options", "mount: take options and keep them in fstab", "noatime was lost at the next boot.",
           "charmhelpers/core/host.py"),
    Change("render-owner", "render: set the owner before the content", "A secret was readable for a moment.",
           "charmhelpers/core/templating.py"),
    Change("network-spaces", "network_get: return the address of a binding", "For charms with extra-bindings.",
           "charmhelpers/core/hookenv.py"),
    Change("ceph-pools", "ceph: set the number of placement groups by weight", "The default was too small for glance.",
           "charmhelpers/contrib/storage/linux/ceph.py"),
)  # fmt: skip
TOOL_CHANGES = (
    Change("proof-bundles", "proof: check bundles as well as charms", "Only metadata.yaml was looked at.",
           "charmtools/proof.py"),
    Change("create-python3", "create: templates for Python 3", "New charms begin with what xenial has.",
           "charmtools/create.py"),
    Change("build-cache", "build: keep downloaded layers in a cache", "Each build fetched every layer anew.",
           "charmtools/build.py"),
    Change("version-flag", "Say the version with --version", "For bug reports.", "charmtools/cli.py"),
)  # fmt: skip
CHARMS = (
    "apache2", "cassandra", "ceph", "cinder", "couchdb", "elasticsearch", "ganglia", "glance", "gunicorn", "haproxy",
    "hbase", "hdp-hadoop", "jenkins", "kafka", "keystone", "kibana", "logstash", "mariadb", "memcached", "mongodb",
    "mysql", "nagios", "neutron-api", "nginx", "nova-compute", "ntp", "openstack-dashboard", "percona-cluster",
    "postgresql", "rabbitmq-server", "redis", "solr", "spark", "squid", "storm", "swift-proxy", "tomcat", "varnish",
    "wordpress", "zookeeper",
)  # fmt: skip
NEW_CHARMS = (
    "datadog-agent", "etherpad-lite", "gitlab-ce", "hadoop-spark", "ibm-mobilefirst", "jupyter", "kubernetes-lite",
    "mattermost", "minio", "nextcloud", "openvpn-as", "pagespeed", "platform-lsf", "prometheus", "quassel-core",
    "rocketchat", "sonarqube", "teamspeak", "telegraf", "ubuntu-repository-cache", "unbound", "vsftpd", "wetty",
    "xpra-server", "yarn-master", "zulip", "scaleio-gateway", "plumgrid-edge", "nuage-vsd", "midonet-agent", "drupal8",
    "discourse", "cloudera-manager", "calico-etcd", "bind9", "arangodb", "airflow", "ansible-awx", "alertmanager",
    "thumbor",
)  # fmt: skip
REMARKS: tuple[tuple[str, str | None], ...] = (
    ("LGTM, thanks for the thorough tests.", "Approve"),
    ("+1. Deployed on lxc, the relation settles.", None),
    ("The install hook is not idempotent: a second run fails on the user that exists.", "Needs Fixing"),
    ("Could you say in the README which ports are opened?", "Needs Information"),
    ("> Deployed it on aws, works for me.\n\nI would rather see this configurable first.", None),
    ("-1: tests fail on power8, the archive has no such package there.", None),
    ("Please propose this again on top of the current trunk.", "Resubmit"),
    ("Looks good. One question: why is the port opened before the service is up?", None),
)
ANSWERS = (
    "Thanks! Fixed in the last revision.",
    "Good catch, the hook checks for the user now. Pushed.",
    "The README says it now, under 'Ports'.",
    "Merged trunk and ran the tests again, all pass here.",
)
SERIES = {"trusty": True, "xenial": True, "precise": False}  # by name: whether it is active
EVERY_CONFLICT = 9  # how many proposals there are for one that conflicts with its target
EVERY_REQUEST = 5  # for one that a single reviewer is asked to review
EVERY_BUG = 4  # for one that mends a bug
EVERY_LINE = 7  # for one with a comment on a line of its diff
EVERY_PREREQUISITE = 4  # and, of those that could build on another, for one that does
OPEN_STATUSES = ("Needs review",) * 6 + ("Approved", "Work in progress", "Code failed to merge", "Queued")
CLOSED_STATUSES = ("Merged", "Rejected", "Superseded")
OPEN_TASK_STATUSES = ("New",) * 6 + ("Confirmed", "Triaged", "Incomplete", "In Progress", "Fix Committed")
TASK_STATUSES = (*OPEN_TASK_STATUSES, "Fix Released", "Invalid", "Won't Fix", "Opinion", "Expired")


def believable_queue(launchpad: LaunchpadWorld, *, seed: int = 1) -> None:
    """About 160 items: Bazaar and Git proposals and bugs in every status, with comments and votes."""
    _BelievableQueue(launchpad, random.Random(seed)).fill()


class _BelievableQueue:
    """Fills a Launchpad. All chance comes from one generator, so that a seed always gives the same queue."""

    def __init__(self, launchpad: LaunchpadWorld, chance: random.Random) -> None:
        self.launchpad = launchpad
        self.chance = chance
        self.now = datetime.now(UTC)
        self.submitters = list(SUBMITTERS)

    def fill(self) -> None:
        for name, display_name in (REVIEWERS | SUBMITTERS).items():
            self.launchpad.add_person(name, display_name)
        self.launchpad.add_team(TEAM, "Charmers", REVIEWERS)
        self.launchpad.add_team(GUI_TEAM, "Juju GUI", list(REVIEWERS)[:2])
        trusted = self.submitters[:TRUSTED_SUBMITTERS]
        self.launchpad.add_team(HELPER_CONTRIBUTORS, "Charm helpers contributors", trusted)
        self.launchpad.add_team(HELPER_DEVELOPERS, "Charm helpers developers", [HELPER_CONTRIBUTORS, BOT])
        self.launchpad.add_team(GUI_CONTRIBUTORS, "Juju GUI contributors", self.submitters[-TRUSTED_SUBMITTERS:])
        for name, active in SERIES.items():
            self.launchpad.add_series("charms", name, active=active)
        self._propose_charm_updates()
        self._propose_helper_changes()
        self._propose_gui_changes()
        self._propose_tool_changes()
        self._report_new_charms()

    def _propose_charm_updates(self) -> None:
        for number, charm in enumerate(CHARMS):
            series = "precise" if number % 10 == 9 else "xenial" if number % 7 == 3 else "trusty"
            trunk = self.launchpad.add_branch(TEAM, f"charms/{series}/{charm}/trunk")
            earlier = ""
            for change in self.chance.sample(CHANGES, self.chance.choice((1, 2, 2, 3))):
                owner = self.chance.choice(self.submitters)
                branch = self.launchpad.add_branch(owner, f"charms/{series}/{charm}/{change.branch}")
                statuses = CLOSED_STATUSES if self.chance.random() < 0.1 else OPEN_STATUSES
                asked = (TEAM,) if self.chance.random() < 0.2 else ()
                prerequisite = earlier if number % EVERY_PREREQUISITE == 0 else ""
                self._propose(branch, trunk, owner, change, statuses, asked=asked, prerequisite=prerequisite)
                earlier = branch

    def _propose_helper_changes(self) -> None:
        helpers = self.launchpad.add_repository(TEAM, "charm-helpers", "charm-helpers")
        shared = self.launchpad.add_repository(HELPER_DEVELOPERS, "charm-helpers", "charm-helpers")
        for number, owner in enumerate(self.submitters):
            change = self.chance.choice(HELPER_CHANGES)
            if number < TRUSTED_SUBMITTERS and number % 2 == 0:
                fork, branch = shared, f"{owner}/{change.branch}"
            else:
                fork, branch = self.launchpad.add_repository(owner, "charm-helpers", "charm-helpers"), change.branch
            self._propose(fork, helpers, owner, change, OPEN_STATUSES, git_path=branch)

    def _propose_gui_changes(self) -> None:
        gui = self.launchpad.add_branch(GUI_TEAM, "juju-gui/trunk")
        for owner in self.submitters:
            change = self.chance.choice(GUI_CHANGES)
            branch = self.launchpad.add_branch(owner, f"juju-gui/{change.branch}")
            self._propose(branch, gui, owner, change, OPEN_STATUSES + CLOSED_STATUSES)

    def _propose_tool_changes(self) -> None:
        tools = self.launchpad.add_branch("tvansteen", "charm-tools/trunk")
        for change in TOOL_CHANGES:
            owner = self.chance.choice(self.submitters)
            branch = self.launchpad.add_branch(owner, f"charm-tools/{change.branch}")
            self._propose(branch, tools, owner, change, ("Needs review",), asked=(TEAM,))

    def _report_new_charms(self) -> None:
        for number, charm in enumerate(NEW_CHARMS):
            owner, created = self.chance.choice(self.submitters), self._some_day(120)
            series = "precise" if number % 12 == 11 else "trusty"
            branch = self.launchpad.add_branch(owner, f"charms/{series}/{charm}/trunk")
            task = self.launchpad.add_bug(
                "charms", f"New charm: {charm}", owner=owner, branch=branch, created=created,
                status=self.chance.choice(TASK_STATUSES),
                tags=("not-a-charm",) if number % 20 == 19 else ("new-charm",),
                description=f"Please review the new charm {charm}. It deploys on {series} and has tests.",
            )  # fmt: skip
            self._discuss(task, owner, created)

    def _propose(
        self, source: str, target: str, owner: str, change: Change, statuses: Iterable[str], *, git_path: str = "",
        asked: Iterable[str] = (), prerequisite: str = "",
    ) -> None:  # fmt: skip
        created, status = self._some_day(90), self.chance.choice(tuple(statuses))
        diff = believable_diff(change.branch, change.title, change.reason, change.file, is_git=bool(git_path))
        path = self.launchpad.add_proposal(
            source, target, registrant=owner, status=status, created=created, git_path=git_path, asked=asked,
            description=change.reason, commit_message=change.title, diff=diff,
            prerequisite=prerequisite,
        )  # fmt: skip
        if len(self.launchpad.proposals) % EVERY_CONFLICT == 0:
            self.launchpad.push(path, diff, conflicts=f"Text conflict in {change.file}\n1 conflicts encountered.")
        if status == "Merged":
            self.launchpad.change(path, date_merged=(created + (self.now - created) / 2).isoformat())
        self._discuss(path, owner, self._surround(path, owner, created, change))

    def _surround(self, path: str, owner: str, created: datetime, change: Change) -> datetime:
        """A reviewer who is asked, a bug that is linked, a comment on a line: each of some proposals. When the last of
        these was."""
        number, reviewers = len(self.launchpad.proposals), list(REVIEWERS)
        reviewer = reviewers[number % len(reviewers)]
        if number % EVERY_REQUEST == 0:
            self.launchpad.ask_for_review(path, reviewer, when=created, by=owner)
        if number % EVERY_BUG == 1:
            is_git = self.launchpad.entries[path]["source_git_repository_link"]
            source = self.launchpad.entries[path]["source_branch_link"]
            bug = self.launchpad.add_bug(
                "ubuntu", change.reason, owner=reviewer, branch=None, created=created, status="Confirmed"
            )
            self.launchpad.link_bug(bug, path if is_git else self.launchpad.path_of(source))
        if number % EVERY_LINE == 3:
            words = {6: "Does this stop a hook that fails half-way?", 8: "Say why it starts, not only that."}
            when = created + (self.now - created) / 3
            self.launchpad.comment_on_lines(path, reviewer, words, text="See my questions on the lines.", when=when)
            return when
        return created

    def _discuss(self, path: str, owner: str, since: datetime) -> None:
        """A few remarks of reviewers after a time, some of them answered."""
        when = since
        for _ in range(self.chance.choice((0, 0, 1, 1, 2, 3))):
            when += (self.now - when) * (0.1 + 0.4 * self.chance.random())
            text, vote = self.chance.choice(REMARKS)
            self.launchpad.comment(path, self.chance.choice(list(REVIEWERS)), text, vote, when)
            if self.chance.random() < 0.3:
                when += (self.now - when) * 0.3 * self.chance.random()
                self.launchpad.comment(path, owner, self.chance.choice(ANSWERS), None, when)

    def _some_day(self, longest: float) -> datetime:
        """A time in so many last days, more often a recent one."""
        return self.now - timedelta(
            days=longest * self.chance.random() ** 2, minutes=self.chance.randrange(600)
        )  # fmt: skip


def something_happens(launchpad: LaunchpadWorld, chance: random.Random) -> None:
    """One thing of a working day: a reviewer's remark or ``recheck``, a push, or a bug for a new charm."""
    proposals = [path for path in launchpad.proposals if launchpad.entries[path]["queue_status"] in OPEN_STATUSES]
    tasks = [path for path in launchpad.tasks if launchpad.entries[path]["status"] in OPEN_TASK_STATUSES]
    kind = chance.random()
    if kind < 0.5:
        text, vote = chance.choice((*REMARKS, ("recheck", None)))
        launchpad.comment(chance.choice(proposals + tasks), chance.choice(list(REVIEWERS)), text, vote)
    elif kind < 0.8:
        path = chance.choice(proposals)
        launchpad.push(path, answered(launchpad.diffs[launchpad.collections[path + "/preview_diffs"][-1]]))
    else:
        owner, charm = chance.choice(list(SUBMITTERS)), f"{chance.choice(NEW_CHARMS)}-{launchpad.number}"
        branch = launchpad.add_branch(owner, f"charms/trusty/{charm}/trunk")
        launchpad.add_bug("charms", f"New charm: {charm}", owner=owner, branch=branch, created=datetime.now(UTC))


def many(
    launchpad: LaunchpadWorld, *, proposals: int, bugs: int = 0, project: str = "many", diffs: bool = True
) -> None:
    """Plain items in numbers, to count and time an import by: Bazaar proposals of one project, bugs of ``charms``.

    Without ``diffs`` they are so new that Launchpad has none of them yet.
    """
    now = datetime.now(UTC)
    launchpad.add_team(TEAM, "Charmers", ())
    launchpad.add_series("charms", "trusty", active=True)
    for number in range(30):
        launchpad.add_person(f"person-{number}", f"Person {number}")
    trunk = launchpad.add_branch("person-0", f"{project}/trunk")
    for number in range(proposals):
        owner = f"person-{number % 30}"
        branch = launchpad.add_branch(owner, f"{project}/branch-{number}")
        path = launchpad.add_proposal(branch, trunk, registrant=owner, created=now - timedelta(days=1, minutes=number))
        if not diffs:
            launchpad.change(path, preview_diff_link=None)
    for number in range(bugs):
        owner = f"person-{number % 30}"
        branch = launchpad.add_branch(owner, f"charms/trusty/new-{number}/trunk")
        launchpad.add_bug(
            "charms", f"New charm {number}", owner=owner, branch=branch, created=now - timedelta(days=1, minutes=number)
        )  # fmt: skip
