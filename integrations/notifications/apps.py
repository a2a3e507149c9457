from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "integrations.notifications"
    label = "notifications"
    verbose_name = "Notifications"

    def ready(self) -> None:
        from integrations.notifications import panels, tasks  # noqa: F401  (registers the tasks)

        panels.register()
