"""Where the outside reports to."""

from django.urls import path

from integrations.launchpad.webhooks import LaunchpadWebhookView

urlpatterns = [path("api/webhooks/launchpad/", LaunchpadWebhookView.as_view(), name="launchpad-webhook")]
