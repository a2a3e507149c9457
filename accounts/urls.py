"""Addresses of logging in and of one's own account."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from accounts import sso, views

single_sign_on = [
    path("login/<slug:backend>/", sso.begin, name="begin"),
    path("login/<slug:backend>/complete/", sso.complete, name="complete"),
]

urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/", views.Account.as_view(), name="account"),
    path("me/token/", views.tokens, name="token"),
    path("", include((single_sign_on, "social"))),
]
