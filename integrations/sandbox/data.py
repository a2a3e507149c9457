"""A believable queue of charms for the sandbox's Launchpad: the same world for the same seed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from integrations.sandbox.launchpad import SandboxLaunchpad

TEAM = "charmers"
REVIEWERS = {
    "marta-k": "Marta Kowalska", "tvansteen": "Tim Van Steen", "adaeze": "Adaeze Obi", "cory-j": "Cory Jensen",
    "kwmon": "Kevin Monroy", "seman": "Sema Nalbandian",
}  # fmt: skip
SUBMITTERS = {
    "bjorn": "Björn Åkesson", "li-wei": "李伟", "priya-r": "Priya Raman", "joao": "João Teixeira", "sven": "Sven Thal",
    "fatima-z": "فاطمة الزهراء", "o-brien": "Siobhán O’Brien", "dmitri": "Дмитрий Ветров", "hana": "花田 はな",
    "tomasz": "Tomasz Zieliński", "big-data-dev": "Big Data Developers", "ibm-charmer": "IBM Charmer",
    "script": "<script>alert(1)</script>", "lucia": "Lucía Fernández", "noor": "Noor Haddad", "x": "X",
}  # fmt: skip
CHARMS = [
    "apache2",
    "cassandra",
    "ceph",
    "cinder",
    "couchdb",
    "elasticsearch",
    "ganglia",
    "glance",
    "gunicorn",
    "haproxy",
    "hbase",
    "hdp-hadoop",
    "jenkins",
    "kafka",
    "keystone",
    "kibana",
    "logstash",
    "mariadb",
    "memcached",
    "mongodb",
    "mysql",
    "nagios",
    "neutron-api",
    "nginx",
    "nova-compute",
    "ntp",
    "openstack-dashboard",
    "percona-cluster",
    "postgresql",
    "rabbitmq-server",
    "redis",
    "solr",
    "spark",
    "squid",
    "storm",
    "swift-proxy",
    "tomcat",
    "varnish",
    "wordpress",
    "zookeeper",
]
CHANGES = (
    "Add a storage hook so that data survives an upgrade", "Fix the relation when the leader changes",
    "Restart the service only when its configuration changed", "Port the hooks to Python 3", "Add amulet tests",
    "Let TLS certificates be given as configuration", "Update charm-helpers", "Say in the status what the charm does",
    "Support more than one unit behind a proxy", "Retry the package download when the mirror is slow",
)  # fmt: skip
NEW_CHARMS = [
    "datadog-agent",
    "etherpad-lite",
    "gitlab-ce",
    "hadoop-spark",
    "ibm-mobilefirst",
    "jupyter",
    "kubernetes-lite",
    "mattermost",
    "minio",
    "nextcloud",
    "openvpn-as",
    "pagespeed",
    "platform-lsf",
    "prometheus",
    "quassel-core",
    "rocketchat",
    "sonarqube",
    "teamspeak",
    "telegraf",
    "ubuntu-repository-cache",
    "unbound",
    "vsftpd",
    "wetty",
    "xpra-server",
    "yarn-master",
    "zulip",
    "scaleio-gateway",
    "plumgrid-edge",
    "nuage-vsd",
    "midonet-agent",
    "drupal8",
    "discourse",
    "cloudera-manager",
    "calico-etcd",
    "bind9",
    "arangodb",
    "airflow",
    "ansible-awx",
    "alertmanager",
    "thumbor",
]
REMARKS: tuple[tuple[str, str | None], ...] = (
    ("LGTM, thanks for the thorough tests.", "Approve"),
    ("+1. Deployed on lxc, the relation settles.", None),
    ("The install hook is not idempotent: a second run fails on the user that exists.", "Needs Fixing"),
    ("Could you say in the README which ports are opened?", "Needs Information"),
    ("> +1 from me\nI would rather see this configurable first.", None),
    ("-1: tests fail on power8, the archive has no such package there.", None),
    ("Please propose this again on top of the current trunk.", "Resubmit"),
    ("Rebased, and answered the questions above.", None),
)
HOSTILE_TITLES = (
    '<img src=x onerror="alert(1)"> & <b>bold</b>',
    "\u202egnp.mrahc\u202c reads from right to left",
    "🐙" * 40 + " an octopus charm",
    "Averyveryverylongcharmnamewithoutanyplacetobreakaline" * 6,
)


def believable_queue(launchpad: SandboxLaunchpad, *, seed: int = 1) -> None:
    """About 160 items: Bazaar and Git proposals and bugs in every status, with comments and votes."""
    chance = random.Random(seed)
    now = datetime.now(UTC)
    for name, display_name in (REVIEWERS | SUBMITTERS).items():
        launchpad.add_person(name, display_name)
    launchpad.add_team(TEAM, "Charmers", REVIEWERS)
    launchpad.add_person("juju-gui", "Juju GUI")
    launchpad.add_series("charms", "trusty", active=True)
    launchpad.add_series("charms", "precise", active=False)
    launchpad.add_series("charms", "xenial", active=True)

    def some_day(longest: float) -> datetime:
        return now - timedelta(days=longest * chance.random() ** 2, minutes=chance.randrange(600))

    def discuss(path: str, owner: str, since: datetime) -> None:
        when = since
        for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
            when += (now - when) * (0.1 + 0.4 * chance.random())
            text, vote = chance.choice(REMARKS)
            launchpad.comment(path, chance.choice(list(REVIEWERS)), text, vote, when)
            if chance.random() < 0.3:
                when += (now - when) * 0.3 * chance.random()
                launchpad.comment(path, owner, "Thanks! Fixed in the last revision.", None, when)

    open_statuses = ["Needs review"] * 6 + ["Approved", "Work in progress", "Code failed to merge", "Queued"]
    closed_statuses = ["Merged", "Rejected", "Superseded"]

    def propose(target: str, source: str, status: str, *, git_path: str = "", asked: tuple[str, ...] = ()) -> None:
        owner, created = source.split("/")[0].lstrip("~"), some_day(90)
        path = launchpad.add_proposal(
            source, target, registrant=owner, status=status, created=created, git_path=git_path, asked=asked,
            description=chance.choice(CHANGES),
        )  # fmt: skip
        if status == "Merged":
            launchpad.change(path, date_merged=(created + (now - created) / 2).isoformat())
        discuss(path, owner, created)

    people = list(SUBMITTERS)
    for number, charm in enumerate(CHARMS):
        series = "precise" if number % 10 == 9 else "xenial" if number % 7 == 3 else "trusty"
        trunk = launchpad.add_branch(TEAM, f"charms/{series}/{charm}/trunk")
        for turn in range(chance.choice((1, 2, 2, 3))):
            topic = chance.choice(("storage", "py3", "tests", "tls", "fixes", "refresh"))
            branch = launchpad.add_branch(chance.choice(people), f"charms/{series}/{charm}/{topic}-{number}-{turn}")
            statuses = closed_statuses if chance.random() < 0.1 else open_statuses
            asked = (TEAM,) if chance.random() < 0.2 else ()
            propose(trunk, branch, chance.choice(statuses), asked=asked)

    helpers = launchpad.add_repository(TEAM, "charm-helpers", "charm-helpers")
    for number in range(18):
        fork = launchpad.add_repository(chance.choice(people), "charm-helpers", f"charm-helpers-{number}")
        propose(helpers, fork, chance.choice(open_statuses), git_path=f"topic/{number}")
    gui = launchpad.add_branch("juju-gui", "juju-gui/trunk")
    for number in range(16):
        branch = launchpad.add_branch(chance.choice(people), f"juju-gui/feature-{number}")
        propose(gui, branch, chance.choice(open_statuses + closed_statuses))

    task_statuses = ["New"] * 6 + [
        "Confirmed", "Triaged", "Incomplete", "In Progress", "Fix Committed", "Fix Released", "Invalid", "Won't Fix",
        "Opinion", "Expired",
    ]  # fmt: skip
    titles = [f"New charm: {charm}" for charm in NEW_CHARMS] + list(HOSTILE_TITLES)
    for number, title in enumerate(titles):
        owner = chance.choice(people)
        created = some_day(120)
        series = "precise" if number % 12 == 11 else "trusty"
        charm = NEW_CHARMS[number % len(NEW_CHARMS)]
        branch = launchpad.add_branch(owner, f"charms/{series}/{charm}/trunk-{number}")
        status = "New" if title in HOSTILE_TITLES else chance.choice(task_statuses)
        tags = ("not-a-charm",) if number % 20 == 19 else ("new-charm",)
        task = launchpad.add_bug(
            "charms", title, owner=owner, branch=branch, created=created, status=status, tags=tags
        )  # fmt: skip
        discuss(task, owner, created)


def many(launchpad: SandboxLaunchpad, *, proposals: int, bugs: int = 0, project: str = "many") -> None:
    """Plain items in numbers, to count and time an import by: Bazaar proposals of one project, bugs of ``charms``."""
    now = datetime.now(UTC)
    launchpad.add_team(TEAM, "Charmers", ())
    launchpad.add_series("charms", "trusty", active=True)
    for number in range(30):
        launchpad.add_person(f"person-{number}", f"Person {number}")
    trunk = launchpad.add_branch("person-0", f"{project}/trunk")
    for number in range(proposals):
        owner = f"person-{number % 30}"
        branch = launchpad.add_branch(owner, f"{project}/branch-{number}")
        launchpad.add_proposal(branch, trunk, registrant=owner, created=now - timedelta(days=1, minutes=number))
    for number in range(bugs):
        owner = f"person-{number % 30}"
        branch = launchpad.add_branch(owner, f"charms/trusty/new-{number}/trunk")
        launchpad.add_bug(
            "charms", f"New charm {number}", owner=owner, branch=branch, created=now - timedelta(days=1, minutes=number)
        )  # fmt: skip
