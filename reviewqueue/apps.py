from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review Queue"
