from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps

# What the admin calls the apps of others.
FOREIGN = {
    "auth": "Groups",
    "authtoken": "API tokens",
    "social_django": "Logins by Launchpad",
    "axes": "Logins that failed",
    "admin": "What staff did",
}


class ConsoleConfig(admin_apps.AdminConfig):
    default = False
    default_site = "reviewqueue.admin_site.ConsoleSite"


class ProjectConfig(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review Queue"

    def ready(self) -> None:
        for label, words in FOREIGN.items():
            apps.get_app_config(label).verbose_name = words
