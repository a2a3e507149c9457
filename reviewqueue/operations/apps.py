from typing import Any

from celery import signals
from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "reviewqueue.operations"
    label = "operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        from core.counters import tally
        from reviewqueue.operations import checks, heartbeats  # noqa: F401  (checks registers the checks)

        heartbeats.connect()

        def count_failure(sender: Any = None, **_: Any) -> None:
            tally("task failures", str(getattr(sender, "name", "unknown")))

        signals.task_failure.connect(count_failure, weak=False, dispatch_uid="count task failures")
