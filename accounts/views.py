"""Logging in, and one's own account: its password and its connection with Launchpad."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy

SERVICES = [("launchpad", "Launchpad"), ("ubuntu", "Ubuntu One")]  # names of social-auth's backends, words


class LoginForm(AuthenticationForm):
    """Says which of the fields may be wrong, and not which is."""

    error_messages = {
        "invalid_login": "That username and password don't belong together. Mind capital letters in both.",
        "inactive": "This account has been switched off. Ask staff.",
    }


class Login(LoginView):
    """The login page: password, and the login services where they are switched on."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(services=SERVICES if settings.LAUNCHPAD_LOGIN else [], **kwargs)


class Account(PasswordChangeView):
    """Change one's password; connect with Launchpad."""

    template_name = "accounts/account.html"
    success_url = reverse_lazy("account")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user: Any = self.request.user
        connected = user.social_auth.exists()
        offered = SERVICES if settings.LAUNCHPAD_LOGIN and not connected else []
        return super().get_context_data(connected=connected, services=offered, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user: Any = request.user
        if not user.has_usable_password():
            raise PermissionDenied("Your account has no password: you log in with Launchpad.")
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        messages.success(self.request, "Your password is changed. Other browsers have been logged out.")
        return super().form_valid(form)
