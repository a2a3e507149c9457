"""Callback tokens: unguessable, one per run and attempt, derived and never stored."""

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

SALT = "testing.api.callback"


def callback_token(run_id: int, attempt: int) -> str:
    """The token that lets the builds of this attempt call back."""
    return salted_hmac(SALT, f"{run_id}:{attempt}", algorithm="sha256").hexdigest()


def attempt_of(token: str, run_id: int, last_attempt: int) -> int | None:
    """Which attempt of the run a token belongs to, or None. Old keys count while they rotate."""
    for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]:
        for number in range(last_attempt, 0, -1):
            expected = salted_hmac(SALT, f"{run_id}:{number}", secret=secret, algorithm="sha256").hexdigest()
            if constant_time_compare(token, expected):
                return number
    return None
