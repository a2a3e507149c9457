"""The admin site: its titles and the order of its apps."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

# What operators look for first comes first; apps that are not named here come last.
ORDER = ("testing", "reviews", "integrations", "django_celery_beat", "accounts", "auth")


class QueueAdminSite(admin.AdminSite):
    """``admin.site`` of this project."""

    site_header = site_title = "Review Queue"
    index_title = "Administration"
    enable_nav_sidebar = False  # lists need the room; it also moved the page while it was drawn

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """In the order of ``ORDER`` instead of the alphabet."""
        order = {label: place for place, label in enumerate(ORDER)}
        found = super().get_app_list(request, app_label)
        return sorted(found, key=lambda app: order.get(app["app_label"], len(order)))
