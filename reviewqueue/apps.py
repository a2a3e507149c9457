from typing import Any

from celery import signals
from django.apps import AppConfig
from django.contrib import admin


class ProjectConfig(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review Queue"

    def ready(self) -> None:
        admin.site.site_header = admin.site.site_title = "Review Queue"
        admin.site.index_title = "Console"
        from reviewqueue import checks  # noqa: F401  (registers the checks)
        from testing.tallies import tally

        def count_failure(sender: Any = None, **_: Any) -> None:
            tally("task failures", str(getattr(sender, "name", "unknown")))

        signals.task_failure.connect(count_failure, weak=False, dispatch_uid="count task failures")
