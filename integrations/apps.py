from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Launchpad and Jenkins"

    def ready(self) -> None:
        # Connects the signals; registers the tasks, which the rooms below wake by name.
        from integrations import (
            panels,
            receivers,  # noqa: F401
            tasks,  # noqa: F401
        )

        panels.register()
