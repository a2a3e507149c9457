from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Launchpad and Jenkins"

    def ready(self) -> None:
        from integrations import receivers  # noqa: F401  (connects the signals)
