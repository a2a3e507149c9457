"""A person's own token for the REST API: made, shown once, revoked."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from rest_framework.authtoken.models import Token

from accounts.models import User


def make_token(user: User) -> Token:
    """A new token; the one before stops working."""
    with transaction.atomic():
        User.objects.select_for_update(of=("self",)).get(pk=user.pk)  # two tabs at once make one token, not an error
        Token.objects.filter(user=user).delete()
        return Token.objects.create(user=user)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def token_page(request: HttpRequest) -> HttpResponse:
    """What the token is for, whether there is one, and by POST: ``make`` shows a new one once, ``revoke`` ends it."""
    user = request.user
    if not isinstance(user, User):  # login_required has seen to it
        return redirect("login")
    deed = request.POST.get("deed") if request.method == "POST" else ""
    if deed == "revoke":
        Token.objects.filter(user=user).delete()
        messages.success(request, "The token is revoked: it does not work any more.")
        return redirect("token")
    if deed not in ("", "make"):
        messages.error(request, "Nothing was done: press one of the two buttons.")
        return redirect("token")
    made = make_token(user) if deed == "make" else None
    context = {"made": made, "token": made or Token.objects.filter(user=user).first()}
    return render(request, "accounts/token.html", context)
