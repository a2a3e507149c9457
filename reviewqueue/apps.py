from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review Queue"

    def ready(self) -> None:
        from reviewqueue import checks  # noqa: F401  (registers the checks)
