"""Logging in to Launchpad: OAuth with a person's consent, cached in a file (docs/specification.md, section 9)."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from django.conf import settings
from launchpadlib.credentials import AccessToken, Credentials

from core import http
from integrations.launchpad.client import APPLICATION, web_root
from integrations.launchpad.errors import ConfigurationError, LaunchpadError, TemporaryError

POLL_SECONDS = 2.0  # between two looks whether access was granted
GRANT_SECONDS = 900.0  # that a person has to grant it
MAX_BYTES = 64 * 1024  # of an answer
SIGNATURE = {"oauth_consumer_key": APPLICATION, "oauth_signature_method": "PLAINTEXT"}


def obtain(
    show: Callable[[str], None], *, poll_seconds: float = POLL_SECONDS, grant_seconds: float = GRANT_SECONDS
) -> Credentials:
    """Ask Launchpad for access, call ``show`` with the URL where a person grants it, and wait until that has happened.

    Raises LaunchpadError when access is denied, not granted in time, or Launchpad can't be asked.
    """
    request = ask_for_token()
    show(request.page())
    deadline = time.monotonic() + grant_seconds
    while time.monotonic() < deadline:
        if credentials := exchange(request):
            return credentials
        time.sleep(poll_seconds)
    raise LaunchpadError(f"Nobody granted access within {grant_seconds / 60:g} minutes.")


@dataclass(frozen=True, repr=False)
class RequestToken:
    """What a person grants or denies on a page of Launchpad, and is then exchanged for credentials."""

    token: str
    secret: str

    def page(self, *, callback: str = "", access: Sequence[str] = ()) -> str:
        """The URL of that page. It sends the browser to ``callback`` afterwards, whatever the person chose, and offers
        the levels of ``access`` only."""
        query: list[tuple[str, str]] = [("oauth_token", self.token)]
        query += [("allow_permission", level) for level in access]
        query += [("oauth_callback", callback)] if callback else []
        return f"{web_root()}+authorize-token?{urlencode(query)}"


def ask_for_token(timeout: float | None = None) -> RequestToken:
    """Begin. ``timeout`` is in seconds. Raises LaunchpadError when Launchpad can't be asked."""
    fields = {**SIGNATURE, "oauth_signature": "&"}
    response = _post("+request-token", fields, timeout)
    if response.status != 200:
        raise TemporaryError(f"Launchpad answered {response.status}.")
    return RequestToken(*_token_of(response))


def exchange(request: RequestToken, timeout: float | None = None) -> Credentials | None:
    """The credentials, once the person has granted access; None before. ``timeout`` is in seconds.

    Raises ConfigurationError when it was denied, or another LaunchpadError when Launchpad can't be asked.
    """
    fields = {**SIGNATURE, "oauth_token": request.token, "oauth_signature": "&" + request.secret}
    response = _post("+access-token", fields, timeout)
    if response.status == 401:  # not granted yet
        return None
    if response.status == 403:
        raise ConfigurationError("Access was denied on Launchpad.", 403)
    if response.status != 200:
        raise TemporaryError(f"Launchpad answered {response.status}.")
    return make_credentials(*_token_of(response))


def make_credentials(token: str, secret: str) -> Credentials:
    """Credentials of an access token."""
    credentials = Credentials(APPLICATION)
    credentials.access_token = AccessToken(token, secret)
    return credentials


def _post(page: str, fields: Mapping[str, str], timeout: float | None) -> http.Response:
    root = web_root()
    try:
        return http.send(
            "POST", root + page, headers={"Referer": root}, data=fields,
            timeout=timeout or settings.LAUNCHPAD_TIMEOUT, limit=MAX_BYTES,
        )  # fmt: skip
    except http.HttpError as error:
        raise TemporaryError(f"Launchpad can't be reached: {error}") from None


def _token_of(response: http.Response) -> tuple[str, str]:
    fields = parse_qs(response.body.decode("utf-8", "replace"))
    try:
        return fields["oauth_token"][0], fields["oauth_token_secret"][0]
    except KeyError:
        raise TemporaryError("Launchpad answered something that is not a token.") from None


def save(credentials: Credentials, path: Path) -> None:
    """Write the credentials for the owner's eyes only (0600), whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # made with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            credentials.save(file)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
