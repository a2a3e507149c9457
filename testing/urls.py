from django.urls import path

from testing.callback import CallbackView

urlpatterns = [
    path("api/test-runs/<int:pk>/callback/", CallbackView.as_view(), name="test-run-callback"),
]
