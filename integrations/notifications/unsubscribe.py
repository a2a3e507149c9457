"""The address in each mail that stops all of them, with one press and without logging in (RFC 8058)."""

from __future__ import annotations

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from integrations.notifications.models import Preferences

SALT = "notifications.unsubscribe"


def unsubscribe_url(user: User) -> str:
    """The address for this person. It is valid as long as the account has its address."""
    token = signing.Signer(salt=SALT).sign_object([user.pk, user.email])
    return settings.BASE_URL + reverse("unsubscribe", args=[token])


def user_of(token: str) -> User | None:
    """Whose mails a token stops; None for one that is not ours, or of an address that was changed since."""
    try:
        pk, email = signing.Signer(salt=SALT).unsign_object(token)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return User.objects.filter(pk=pk, email=email).first()


def stop_mails(user: User) -> None:
    """Send this person no mail any more, until they choose otherwise."""
    Preferences.objects.get_or_create(user=user)
    Preferences.objects.filter(user=user, stopped_at=None).update(stopped_at=timezone.now())
