"""A Launchpad and two Jenkins servers over plain HTTP, for a first look, demos and tests.

They know nothing of the queue itself. ``Sandbox().start()`` gives all in this process; ``manage.py sandbox`` gives
them in one of their own.
"""

from integrations.sandbox.data import believable_queue
from integrations.sandbox.jenkins import Job, SandboxJenkins
from integrations.sandbox.launchpad import SandboxLaunchpad
from integrations.sandbox.serving import SandboxServer

__all__ = ["Sandbox", "SandboxJenkins", "SandboxLaunchpad", "believable_queue"]


HELPERS_JOB, GUI_JOB = ("charm-helpers",), ("gui", "ui-tests")
GUI_JOB_TOKEN, GUI_API_TOKEN = "sandbox-gui-token", "sandbox-gui-api-token"


class Sandbox:
    """A Launchpad and two Jenkins servers, on ports of their own (0: any free one).

    ``jenkins`` has the job ``charm-test``, whose builds write a results.json, and the matrix job ``charm-helpers``.
    ``second_jenkins`` is another team's: its job ``gui/ui-tests`` publishes a JUnit test report, and no token of the
    first lets anybody in there.
    """

    def __init__(
        self, launchpad_port: int = 0, jenkins_port: int = 0, second_jenkins_port: int = 0, *, seed: int = 1,
        auto: bool = True, first_build: int = 1,
    ) -> None:  # fmt: skip
        self.launchpad = SandboxLaunchpad(launchpad_port, seed=seed)
        self.jenkins = SandboxJenkins(jenkins_port, seed=seed, auto=auto, first=first_build)
        self.helpers_job = self.jenkins.add_job(*HELPERS_JOB, first=first_build, writes="matrix")
        self.second_jenkins = SandboxJenkins(
            second_jenkins_port, seed=seed + 1, auto=auto, first=first_build, api_token=GUI_API_TOKEN,
            job=Job(GUI_JOB, token=GUI_JOB_TOKEN, writes="junit"),
        )  # fmt: skip
        self.seed = seed

    def start(self, *, believable: bool = True) -> "Sandbox":
        """Serve; with ``believable``, a queue of charms is there to be imported."""
        if believable:
            believable_queue(self.launchpad, seed=self.seed)
        for server in self._servers:
            server.start()
        return self

    def stop(self) -> None:
        """Stop all servers."""
        for server in self._servers:
            server.stop()

    @property
    def _servers(self) -> tuple[SandboxServer, ...]:
        return self.launchpad, self.jenkins, self.second_jenkins
