"""Choosing what one is told, and stopping all of it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from core.enqueue import enqueue_on_commit
from integrations.notifications.forms import PreferencesForm
from integrations.notifications.models import Delivery, Preferences
from integrations.notifications.panels import context_of
from integrations.notifications.unsubscribe import stop_mails, user_of

MAX_TESTS = 3  # test messages to one person that may wait


@login_required
@require_POST
def save_preferences(request: HttpRequest) -> HttpResponse:
    """Keep what the person chose; a form that is not valid is shown again with what is wrong."""
    user: Any = request.user
    preferences = Preferences.objects.filter(user=user).first() or Preferences(user=user)
    form = PreferencesForm(request.POST, instance=preferences)
    if not form.is_valid():
        return render(request, "integrations/notifications/preferences.html", context_of(user, form), status=400)
    form.save()
    messages.success(request, "Your choice is kept.")
    return redirect(reverse("account") + "#notifications")


@login_required
@require_POST
def send_test(request: HttpRequest) -> HttpResponse:
    """Send the person a test message."""
    user: Any = request.user
    if not user.email:
        messages.error(request, "Your account has no address: ask staff to enter it.")
    elif Delivery.objects.unsent().filter(user=user, is_test=True).count() >= MAX_TESTS:
        messages.error(request, "Test messages are on their way already. Staff see in the admin why they are late.")
    else:
        Delivery.objects.create(user=user, is_test=True, subject="Test message")
        enqueue_on_commit("integrations.notifications.tasks.send_notifications")
        messages.success(request, "A test message is on its way.")
    return redirect(reverse("account") + "#notifications")


@csrf_exempt  # mail programs press the button themselves (RFC 8058); the token says whose mails, and it is signed
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Stop all mail to one person. GET asks, and changes nothing; POST does it, without logging in."""
    user = user_of(token)
    if user is None:
        return render(request, "integrations/notifications/unsubscribe.html", {"is_unknown": True}, status=404)
    if request.method == "POST":
        stop_mails(user)
    return render(request, "integrations/notifications/unsubscribe.html", {"is_done": request.method == "POST"})
