"""Forms of logging in and of API tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from accounts.models import ApiToken, User

MAX_TOKENS = 20  # of one account


class LoginForm(AuthenticationForm):
    """Says which of the fields may be wrong, and not which is."""

    error_messages = {
        "invalid_login": "Username and password do not match. Both are case-sensitive.",
        "inactive": "This account is switched off. Ask staff.",
    }


class TokenForm(forms.ModelForm):
    """A new API token: what it is for, and for how long."""

    days = forms.TypedChoiceField(
        label="Works for", coerce=int, initial=90, choices=[(30, "30 days"), (90, "90 days"), (365, "a year")]
    )

    class Meta:
        model = ApiToken
        fields = ["name"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        owner = data.get("user") or (self.instance.user if self.instance.user_id else None)
        if owner and owner.tokens.count() >= MAX_TOKENS:
            self.add_error("name", f"An account has at most {MAX_TOKENS} tokens. Revoke one first.")
        return data

    def make(self, user: User) -> tuple[ApiToken, str]:
        """Make the token of a valid form; see ``ApiTokenManager.make``."""
        made: tuple[ApiToken, str] = ApiToken.objects.make(
            user, self.cleaned_data["name"], timedelta(days=self.cleaned_data["days"])
        )
        return made
