"""``python -m tools.bench.sandbox launchpad COUNT``, or ``jenkins``: serves until stdin closes."""

import json
import sys

from integrations.sandbox import SandboxJenkins, SandboxLaunchpad
from integrations.sandbox.data import many


def launchpad(count: int) -> None:
    """A Launchpad with so many proposals of one project, half of them commented on."""
    served = SandboxLaunchpad()
    many(served, proposals=count)
    for path in served.proposals[::2]:
        served.comment(path, "person-1", "LGTM", "Approve")
    served.start()
    print(json.dumps({"url": served.url}), flush=True)


def jenkins() -> None:
    """A Jenkins whose builds stay queued."""
    served = SandboxJenkins(auto=False)
    served.start()
    print(json.dumps({"url": served.job_url, "token": served.token}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "launchpad":
        launchpad(int(sys.argv[2]))
    else:
        jenkins()
    sys.stdin.read()
