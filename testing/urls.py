"""Addresses of test runs: their pages, and the callback of builds (docs/specification.md, sections 5 and 6)."""

from django.urls import path

from core import converters  # noqa: F401  (registers ``id``)
from testing.api.callback import CallbackView
from testing.views import history, runs, targets

urlpatterns = [
    path("api/test-runs/<int:pk>/callback/", CallbackView.as_view(), name="test-run-callback"),
    path("reviews/<id:pk>/test-runs/", runs.test_runs, name="launch"),
    path("reviews/<id:pk>/test-runs/again/", runs.repeat_failed_runs, name="repeat-failed"),
    path("reviews/<id:pk>/test-runs/<id:run_pk>/", runs.test_run, name="test-run"),
    path("reviews/<id:pk>/test-runs/<id:run_pk>/again/", runs.repeat_run, name="repeat-run"),
    path("reviews/<id:pk>/test-runs/<id:run_pk>/tests/<id:position>/", runs.single_test, name="single-test"),
    path("tests/", history.test_history, name="test-history"),
    path("targets/", targets.targets, name="targets"),
    path("targets/<id:pk>/", targets.target, name="target"),
    path("targets/<id:pk>/test-runs/<id:run_pk>/", targets.target_run, name="target-run"),
    path("targets/<id:pk>/test-runs/<id:run_pk>/tests/<id:position>/", targets.target_test, name="target-test"),
]
