"""Every URL of the REST API but the webhook's (docs/specification.md, section 7)."""

from django.urls import path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from core import converters  # noqa: F401  (registers ``id``)
from reviewqueue.api_docs import ApiDocs
from reviews.api.people import PersonTrust, PersonView
from reviews.api.reviews import ReviewAllowTests, ReviewList, ReviewLock
from testing.api.reviews import ReviewDetail, ReviewTestRuns
from testing.api.runs import TestRunDetail, TestRunList

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="api-docs"), name="api"),
    path("reviews/", ReviewList.as_view(), name="api-reviews"),
    path("reviews/<id:pk>/", ReviewDetail.as_view(), name="api-review"),
    path("reviews/<id:pk>/lock/", ReviewLock.as_view(), name="api-review-lock"),
    path("reviews/<id:pk>/allow-tests/", ReviewAllowTests.as_view(), name="api-review-allow-tests"),
    path("reviews/<id:pk>/test-runs/", ReviewTestRuns.as_view(), name="api-review-test-runs"),
    path("people/<str:username>/", PersonView.as_view(), name="api-person"),
    path("people/<str:username>/trust/", PersonTrust.as_view(), name="api-person-trust"),
    path("test-runs/", TestRunList.as_view(), name="api-test-runs"),
    path("test-runs/<id:pk>/", TestRunDetail.as_view(), name="api-test-run"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs/", ApiDocs.as_view(), name="api-docs"),
]
