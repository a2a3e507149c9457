from django.urls import path

from testing.callback import CallbackView
from testing.views import launch

urlpatterns = [
    path("api/test-runs/<int:pk>/callback/", CallbackView.as_view(), name="test-run-callback"),
    path("reviews/<int:pk>/test-runs/", launch, name="launch"),
]
