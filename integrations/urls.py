"""The address of Launchpad's webhooks; builds call back to that in ``testing.urls``."""

from django.urls import path

from integrations.launchpad.webhooks import LaunchpadWebhookView

urlpatterns = [path("api/webhooks/launchpad/", LaunchpadWebhookView.as_view(), name="launchpad-webhook")]
