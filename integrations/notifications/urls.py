"""Addresses of what one is told, and of stopping it."""

from django.urls import path

from integrations.notifications import views

urlpatterns = [
    path("me/notifications/", views.save_preferences, name="notifications"),
    path("me/notifications/test/", views.send_test, name="notifications-test"),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
]
