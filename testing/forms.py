"""Forms of servers, jobs and the test plan. Secrets go in and never come out; saving asks the server."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.utils.html import format_html

from core.secret_field import ENTER_AGAIN, Undecryptable
from core.web_urls import is_web_url
from testing.ci import Diagnosis, JobAccess, get_ci
from testing.engines import access_of
from testing.models import Job, PlanRow, Server
from testing.parameters import NAMES, problems_of
from testing.plan import MAX_TIMEOUT

KEEP = "Never shown again. Leave it empty to keep the one there is."
ASK_HELP = (
    "If it answers and something is wrong, that is said here and nothing is saved. If it is down now, it is saved with "
    "a warning. Untick this to save without asking."
)
PATH = re.compile(r"(?:(?:job|view)/[^/?#\s]+/)*job/[^/?#\s]+")


class AskingForm(forms.ModelForm):
    """A form with a secret, whose server is asked before it is saved. ``warnings`` are to be shown after that."""

    secret = ""  # the name of the field with the secret
    ask = forms.BooleanField(required=False, initial=True, label="Ask the server before saving", help_text=ASK_HELP)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.warnings: list[str] = []
        self.secret_before = getattr(self.instance, self.secret)
        self.initial.pop(self.secret, None)
        if self.secret in self.fields:
            words = "None is set."
            if isinstance(self.secret_before, Undecryptable):
                words = f"The one that was set {ENTER_AGAIN}."
            elif self.secret_before:
                words = f"One is set. {KEEP}"
            self.fields[self.secret].help_text = words

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("remove_secret"):
            if data.get(self.secret):
                self.add_error("remove_secret", "Either enter a secret or remove it.")
            data[self.secret] = ""
        else:
            data[self.secret] = data.get(self.secret) or self.secret_before
            if isinstance(data[self.secret], Undecryptable):
                self.add_error(self.secret, f"The one that was set {ENTER_AGAIN}, or remove it.")
        return data

    def judge(self, diagnosis: Diagnosis, field: str) -> None:
        """Say at the field what is wrong; a server that is down now keeps nobody from saving."""
        if not diagnosis.reachable:
            self.warnings += [f"Saved, though it can't be checked now: {words}" for words in diagnosis.problems]
            return
        for words in diagnosis.problems:
            self.add_error(field, words)
        if diagnosis.paste:
            self.add_error(field, format_html("Lines to paste:<pre>{}</pre>", diagnosis.paste))
        self.warnings += diagnosis.notes


class ServerForm(AskingForm):
    """A Jenkins: reachable, and letting us in."""

    WRITTEN = ("api_token", "remove_secret", "ask")
    secret = "api_token"  # noqa: S105 (a name)
    api_token = forms.CharField(
        required=False, max_length=1000, label="API token",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip
    remove_secret = forms.BooleanField(required=False, label="Remove the API token")

    class Meta:
        model = Server
        fields = ["name", "url", "user", "api_token", "active"]

    def clean_url(self) -> str:
        """The address of the Jenkins itself, over http or https, without credentials."""
        url: str = self.cleaned_data["url"].strip()
        parts = urlsplit(url) if is_web_url(url) else None
        if parts is None or any(char.isspace() for char in url):
            raise forms.ValidationError("This is not an http or https address, as https://ci.example.org/jenkins/.")
        if "@" in parts.netloc:
            raise forms.ValidationError("Take the credentials out of the address: enter them below.")
        if parts.query or parts.fragment:
            raise forms.ValidationError("Take out what follows the ? or # of the address.")
        if "job" in parts.path.split("/"):
            raise forms.ValidationError("This is the address of a job. Enter that of Jenkins itself, without /job/….")
        return url

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("api_token") and not data.get("user"):
            self.add_error("user", "Enter the user whose API token it is.")
        elif data.get("user") and not data.get("api_token"):
            self.add_error("api_token", "Enter the API token of this user, or leave the user empty.")
        if data.get("ask") and not self.errors:
            url = f"{data['url'].rstrip('/')}/job/any"  # a place below it, from which its own is told
            access = JobAccess(data["name"], "", url, data["user"], data["api_token"])
            self.judge(get_ci(access).diagnose_server(), "url")
        return data


class JobForm(AskingForm):
    """A job: buildable, and declaring every parameter that is sent."""

    WRITTEN = ("token", "remove_secret", "ask")
    secret = "token"  # noqa: S105 (a name)
    token = forms.CharField(
        required=False, max_length=1000, label="Job token",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip
    remove_secret = forms.BooleanField(required=False, label="Remove the job token")
    parameters = forms.JSONField(
        required=False, initial=dict, widget=forms.Textarea(attrs={"rows": 4}),
        help_text='Parameters to send besides our own, as {"CLOUD": "{substrate}"}. In a text can stand: '
        + " ".join(f"{{{name}}}" for name in NAMES),
        error_messages={"invalid": 'Write an object of names and texts, as {"CLOUD": "{substrate}"}.'},
    )  # fmt: skip

    class Meta:
        model = Job
        fields = ["name", "server", "path", "token", "parameters"]

    def clean_path(self) -> str:
        """The place of the job; its whole address may be pasted."""
        path: str = self.cleaned_data["path"].strip()
        server = self.cleaned_data.get("server")
        if server:
            path = path.removeprefix(server.url.rstrip("/"))
        path = path.strip("/").removesuffix("/buildWithParameters")
        if not PATH.fullmatch(path):
            raise forms.ValidationError("This is not the place of a job: write job/charms, or job/team/job/charms.")
        return path

    def clean_server(self) -> Server:
        """Runs that were sent to a server stay there: their job can't go to another one."""
        server: Server = self.cleaned_data["server"]
        if self.instance.pk and self.instance.server_id != server.pk and self.instance.test_runs.exists():
            raise forms.ValidationError("Runs were sent to this job: it stays on its server. Add a job for the other.")
        return server

    def clean_parameters(self) -> dict[str, str]:
        parameters = self.cleaned_data["parameters"] or {}
        if problems := problems_of(parameters):
            raise forms.ValidationError(problems)
        checked: dict[str, str] = parameters
        return checked

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        server: Server | None = data.get("server")
        if server and not data.get("token") and not (server.user and server.api_token):
            self.add_error(
                "token", "Without a token nobody is let in: enter the job's, or give the server an API token."
            )
        if server and data.get("ask") and not self.errors:
            job = Job(name=data["name"], server=server, path=data["path"], token=data["token"])
            self.judge(get_ci(access_of(job)).diagnose(data["parameters"]), "path")
        return data


class PlanRowForm(forms.ModelForm):
    """A row of the test plan, within bounds."""

    timeout = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_TIMEOUT, help_text="Seconds; empty: TESTING_TIMEOUT."
    )
    attempts = forms.IntegerField(required=False, min_value=1, max_value=1000, help_text="Empty: TESTING_MAX_ATTEMPTS.")

    class Meta:
        model = PlanRow
        fields = ["source", "substrate", "job", "default", "counts", "timeout", "attempts"]
