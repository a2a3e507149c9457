from django.apps import AppConfig


class TestingConfig(AppConfig):
    name = "testing"
    verbose_name = "Testing"

    def ready(self) -> None:
        from testing import (
            panels,
            receivers,  # noqa: F401  (connects the signals)
            selected,
        )

        panels.register()
        selected.register()
