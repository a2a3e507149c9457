from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps

from reviewqueue.celery import app as celery_app

# What the admin calls the apps of libraries.
LIBRARY_NAMES = {
    "auth": "Groups",
    "social_django": "Logins by Launchpad",
    "axes": "Logins that failed",
    "admin": "What staff did",
}


class QueueAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "reviewqueue.admin_site.QueueAdminSite"


class ProjectConfig(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review Queue"

    def ready(self) -> None:
        for label, words in LIBRARY_NAMES.items():
            apps.get_app_config(label).verbose_name = words
        celery_app.autodiscover_tasks(force=True)  # in every process: they are enqueued by name
