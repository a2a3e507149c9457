"""Pages of the queue and of people (docs/specification.md, section 6)."""

from django.urls import path, re_path
from django.views.generic import RedirectView

from core import converters  # noqa: F401  (registers ``id``)
from reviews.views import dashboard, diff, next_item, people, review, search, selected, steps

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("reviews/selected/", selected.selected, name="selected"),
    path("next/", next_item.next_item, name="next"),
    path("next/skip/", next_item.skip, name="next-skip"),
    path("reviews/<id:pk>/", review.review_page, name="review"),
    path("reviews/<id:pk>/previous/", steps.step, {"by": -1}, name="previous-in-list"),
    path("reviews/<id:pk>/next/", steps.step, {"by": 1}, name="next-in-list"),
    path("reviews/<id:pk>/diff/", diff.review_diff, name="review-diff"),
    path("reviews/<id:pk>/tests/", review.review_tests, name="review-tests"),
    path("reviews/<id:pk>/history/", review.review_history, name="review-history"),
    path("reviews/<id:pk>/lock/", review.lock_review, name="lock"),
    path("reviews/<id:pk>/unlock/", review.unlock_review, name="unlock"),
    path("reviews/<id:pk>/allow-tests/", review.allow_review_tests, name="allow-tests"),
    path("reviews/<id:pk>/trust/", review.trust_submitter, name="trust-submitter"),
    path("reviews/<id:pk>/refresh/", review.refresh_review, name="refresh"),
    re_path(r"^review/(?P<pk>[0-9]{1,18})/?$", RedirectView.as_view(pattern_name="review", permanent=True)),
    re_path(r"^user/(?P<username>[^/]+)/?$", people.old_person_path),
    path("search/", search.search, name="search"),
    path("search/people/", people.suggest, name="suggest-people"),
    path("people/<path:username>/trust/", people.trust_person, name="trust"),
    path("people/<path:username>/", people.person, name="person"),
    path("me/", people.me, name="me"),
]
