"""Addresses of test runs: their pages, and the callback of builds (docs/specification.md, sections 5 and 6)."""

from django.urls import path

from core import converters  # noqa: F401  (registers ``id``)
from testing import views
from testing.api.callback import CallbackView

urlpatterns = [
    path("api/test-runs/<int:pk>/callback/", CallbackView.as_view(), name="test-run-callback"),
    path("reviews/<id:pk>/test-runs/", views.test_runs, name="launch"),
    path("reviews/<id:pk>/test-runs/again/", views.repeat_failed_runs, name="repeat-failed"),
    path("reviews/<id:pk>/test-runs/<id:run_pk>/", views.test_run, name="test-run"),
    path("reviews/<id:pk>/test-runs/<id:run_pk>/again/", views.repeat_run, name="repeat-run"),
    path("reviews/<id:pk>/test-runs/<id:run_pk>/tests/<id:position>/", views.single_test, name="single-test"),
]
