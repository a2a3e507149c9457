from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Launchpad and Jenkins"

    def ready(self) -> None:
        # Connects the signals; registers the tasks, which the rooms below wake by name.
        from integrations import receivers, tasks  # noqa: F401
