"""Every URL of the program in one place (docs/specification.md, sections 5 to 8)."""

from django.contrib import admin
from django.urls import include, path, re_path

from reviewqueue.api_schema import ApiNotFound
from reviewqueue.operations.probes import healthz, metrics, readyz
from reviewqueue.operations.views import health
from reviewqueue.views import about, stats_page

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("admin/health/", admin.site.admin_view(health), name="health"),
    path("admin/", admin.site.urls),
    path("stats/", stats_page, name="stats"),
    path("about/", about, name="about"),
    path("", include("accounts.urls")),
    path("api/", include("reviewqueue.api_urls")),
    path("", include("integrations.urls")),
    path("", include("integrations.notifications.urls")),
    path("", include("testing.urls")),
    path("", include("reviews.urls")),
    re_path(r"^api/", ApiNotFound.as_view(), name="api-nothing"),
]

handler400 = "core.error_views.bad_request"
handler403 = "core.error_views.forbidden"
handler404 = "core.error_views.not_found"
handler500 = "core.error_views.server_error"
