from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "reviewqueue.operations"
    label = "operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        from reviewqueue.operations import checks, receivers  # noqa: F401  (registers the checks, connects the signals)
