"""Addresses of Launchpad's webhooks, of connecting with Launchpad, and of writing from a review's page."""

from django.urls import path

from core import converters  # noqa: F401  (registers ``id``)
from integrations import views
from integrations.launchpad.webhooks import LaunchpadWebhookView

urlpatterns = [
    path("api/webhooks/launchpad/", LaunchpadWebhookView.as_view(), name="launchpad-webhook"),
    path("launchpad/connect/", views.connect, name="launchpad-connect"),
    path("launchpad/connected/", views.connected, name="launchpad-connected"),
    path("launchpad/disconnect/", views.disconnect, name="launchpad-disconnect"),
    path("reviews/<id:pk>/your-review/", views.own_review, name="own-review"),
    path("reviews/<id:pk>/your-posts/", views.own_posts, name="own-posts"),
    path("reviews/<id:pk>/inline/", views.line_comment, name="line-comment"),
]
