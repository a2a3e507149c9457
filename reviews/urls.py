from django.contrib.auth.views import LogoutView
from django.urls import path, re_path
from django.views.generic import RedirectView

from accounts import views as login
from accounts.tokens import token_page
from core import converters  # noqa: F401  (converters registers ``id``)
from reviews.views import dashboard as views
from reviews.views import people as person_page
from reviews.views import review as review_page
from reviews.views import search as search_page

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("reviews/<id:pk>/", review_page.review_page, name="review"),
    path("reviews/<id:pk>/lock/", review_page.lock_review, name="lock"),
    path("reviews/<id:pk>/unlock/", review_page.unlock_review, name="unlock"),
    path("reviews/<id:pk>/refresh/", review_page.refresh_review, name="refresh"),
    re_path(r"^review/(?P<pk>[0-9]{1,18})/?$", RedirectView.as_view(pattern_name="review", permanent=True)),
    re_path(r"^user/(?P<username>[^/]+)/?$", views.old_person),
    path("search/", search_page.search, name="search"),
    path("search/people/", person_page.suggest, name="suggest-people"),
    path("people/<path:username>/", person_page.person, name="person"),
    path("me/", person_page.me, name="me"),
    path("login/", login.Login.as_view(), name="login"),
    path("account/", login.Account.as_view(), name="account"),
    path("me/token/", token_page, name="token"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
