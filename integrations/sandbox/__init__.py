"""A Launchpad and a Jenkins over plain HTTP, for a first look, demos and tests. Knows nothing of the queue itself.

``Sandbox().start()`` gives both in this process; ``manage.py sandbox`` gives them in one of their own.
"""

from integrations.sandbox.data import believable_queue
from integrations.sandbox.jenkins import SandboxJenkins
from integrations.sandbox.launchpad import SandboxLaunchpad

__all__ = ["Sandbox", "SandboxJenkins", "SandboxLaunchpad", "believable_queue"]


class Sandbox:
    """Both servers, on ports of their own (0: any free one)."""

    def __init__(
        self, launchpad_port: int = 0, jenkins_port: int = 0, *, seed: int = 1, auto: bool = True, first_build: int = 1
    ) -> None:
        self.launchpad = SandboxLaunchpad(launchpad_port, seed=seed)
        self.jenkins = SandboxJenkins(jenkins_port, seed=seed, auto=auto, first=first_build)
        self.seed = seed

    def start(self, *, believable: bool = True) -> "Sandbox":
        """Serve; with ``believable``, a queue of charms is there to be imported."""
        if believable:
            believable_queue(self.launchpad, seed=self.seed)
        self.launchpad.start()
        self.jenkins.start()
        return self

    def stop(self) -> None:
        self.launchpad.stop()
        self.jenkins.stop()
