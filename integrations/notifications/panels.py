"""What notifications add to the page *Your account*."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from accounts.models import User
from accounts.panels import AccountPanel, register_account_panel
from integrations.notifications.forms import KINDS, PreferencesForm
from integrations.notifications.models import Delivery, Preferences
from reviews.managers import visibility

MAX_SHOWN = 10  # messages that one's page lists


def notifications(request: HttpRequest) -> dict[str, Any]:
    """What the person is told, and what was sent lately. Two queries."""
    user: Any = request.user
    preferences = Preferences.objects.filter(user=user).first() if isinstance(user, User) else None
    return context_of(user, PreferencesForm(instance=preferences or Preferences(user=user)))


def context_of(user: User, form: PreferencesForm) -> dict[str, Any]:
    """The same with a form that was filled in."""
    shown = Delivery.objects.filter(Q(review=None) | visibility(user, "review__"), user=user)
    return {
        "user": user,
        "form": form,
        "kinds": [form[name] for name in KINDS],
        "stopped_at": form.instance.stopped_at,
        "is_new": form.instance.pk is None,
        "deliveries": shown.exclude(state=Delivery.State.DROPPED)[:MAX_SHOWN],
    }


def register() -> None:
    """Called once, when the app is ready."""
    register_account_panel(AccountPanel("integrations/notifications/_account.html", notifications))
