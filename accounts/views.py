"""Logging in, and one's own account: password, connection with Launchpad, API tokens."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.forms import LoginForm, TokenForm
from accounts.models import ApiToken
from accounts.panels import render_account_panels
from accounts.sso import SERVICES


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
        panels = render_account_panels(self.request)
        return super().get_context_data(connected=connected, services=offered, panels=panels, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user: Any = request.user
        if not user.has_usable_password():
            raise PermissionDenied("Your account has no password: you log in with Launchpad.")
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        messages.success(self.request, "Your password is changed. Other browsers have been logged out.")
        return super().form_valid(form)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """One's own API tokens. POST ``action=make`` shows a new one once, ``action=revoke`` ends one."""
    user: Any = request.user
    action = request.POST.get("action") if request.method == "POST" else None
    form = TokenForm(request.POST if action == "make" else None, instance=ApiToken(user=user))
    made = ""
    if action == "make" and form.is_valid():
        _, made = form.make(user)
        form = TokenForm(instance=ApiToken(user=user))
    elif action == "revoke":
        wanted = request.POST.get("token", "")
        own = user.tokens.filter(pk=wanted[:18] if wanted.isdecimal() else None)
        names = [token.name for token in own]
        own.delete()
        words = f"The token “{names[0]}” is revoked and does not work any more." if names else "That token is gone."
        messages.success(request, words)
        return redirect("token")
    elif action is not None and action != "make":
        messages.error(request, "Nothing was changed: use one of the buttons.")
        return redirect("token")
    context = {"form": form, "made": made, "tokens": user.tokens.all()}
    return render(request, "accounts/tokens.html", context)
