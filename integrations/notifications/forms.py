"""Forms of what people and channels are told."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils import timezone

from core.secret_field import ENTER_AGAIN, Undecryptable
from integrations.notifications.find import find_news
from integrations.notifications.models import Channel, Preferences
from integrations.notifications.post import problem_of

KINDS = ("my_runs", "tests_failed", "reviewed", "my_turn", "locked_changed", "review_requested")
KIND_WORDS = {
    "my_runs": "A test that I started has ended",
    "tests_failed": "Tests of my item failed",
    "reviewed": "Somebody commented or voted on my item",
    "my_turn": "It is my turn: on my own item, or again on one that I review",
    "locked_changed": "Something became of an item that I have locked",
    "review_requested": "I was asked to review an item, or my team was",
}


class PreferencesForm(forms.ModelForm):
    """What a person wants to be told."""

    time_zone = forms.ChoiceField(choices=[(name, name) for name in sorted(available_timezones())])
    digest_hour = forms.TypedChoiceField(choices=[(hour, f"{hour:02}:00") for hour in range(24)], coerce=int)

    class Meta:
        model = Preferences
        fields = [*KINDS, "how", "digest_hour", "time_zone"]
        widgets = {"how": forms.RadioSelect}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, words in KIND_WORDS.items():
            self.fields[name].label = words

    def save(self, commit: bool = True) -> Any:
        """What happened before a kind was chosen is not told; what was chosen already is found first."""
        if any(self.cleaned_data[name] for name in KINDS if name in self.changed_data):
            find_news()
            self.instance.since = timezone.now()
        if self.instance.stopped_at:
            self.instance.since = timezone.now()
        self.instance.stopped_at = None
        return super().save(commit)


class ChannelForm(forms.ModelForm):
    """A channel. Its address goes in and never comes out."""

    WRITTEN = ("url",)
    url = forms.CharField(
        label="Address", required=False, max_length=2000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 60}),
    )  # fmt: skip

    class Meta:
        model = Channel
        fields = ["name", "source", "url", "new_items", "verdicts", "waits_days", "trouble", "active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.url_before = self.instance.url
        self.was_active = self.instance.active and self.instance.pk is not None
        self.initial.pop("url", None)
        words = "As apprise takes it, as jsons://host/path or mmosts://host/token; docs/notifications.md has examples."
        if isinstance(self.url_before, Undecryptable):
            words = f"The one that was set {ENTER_AGAIN}."
        elif self.url_before:
            words = "One is set. It is never shown again: leave this empty to keep it."
        if "url" in self.fields:
            self.fields["url"].help_text = words

    def clean_url(self) -> Any:
        url = self.cleaned_data["url"].strip()
        if not url:
            if not self.url_before:
                raise forms.ValidationError("Enter the address." if self.instance.pk is None else f"It {ENTER_AGAIN}.")
            return self.url_before
        if problem := problem_of(url):
            raise forms.ValidationError(problem)
        return url

    def save(self, commit: bool = True) -> Any:
        """A channel that is switched on again is told of what happens from now on."""
        if self.instance.active and not self.was_active:
            self.instance.since = timezone.now()
        return super().save(commit)
