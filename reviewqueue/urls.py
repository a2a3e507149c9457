"""Every URL of the program in one place (SPEC sections 5 to 8)."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("reviewqueue.api_urls")),
    path("", include("integrations.urls")),
    path("", include("testing.urls")),
    path("", include("reviews.urls")),
]
