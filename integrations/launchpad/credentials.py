"""Logging in to Launchpad: OAuth with a person's consent, cached in a file (docs/specification.md, section 9)."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, quote

from django.conf import settings
from launchpadlib.credentials import AccessToken, Credentials

from core import http
from integrations.launchpad.client import APPLICATION, web_root
from integrations.launchpad.errors import ConfigurationError, LaunchpadError, TemporaryError

POLL_SECONDS = 2.0  # between two looks whether access was granted
GRANT_SECONDS = 900.0  # that a person has to grant it
MAX_BYTES = 64 * 1024  # of an answer


def obtain(
    show: Callable[[str], None], *, poll_seconds: float = POLL_SECONDS, grant_seconds: float = GRANT_SECONDS
) -> Credentials:
    """Ask Launchpad for access, call ``show`` with the URL where a person grants it, and wait until that has happened.

    Raises LaunchpadError when access is denied, not granted in time, or Launchpad can't be asked.
    """
    pages = web_root()
    signature = {"oauth_consumer_key": APPLICATION, "oauth_signature_method": "PLAINTEXT"}
    response = _post(pages, "+request-token", {**signature, "oauth_signature": "&"})
    if response.status != 200:
        raise TemporaryError(f"Launchpad answered {response.status}.")
    token, secret = _token_of(response)
    show(f"{pages}+authorize-token?oauth_token={quote(token)}")
    signature |= {"oauth_token": token, "oauth_signature": "&" + secret}
    deadline = time.monotonic() + grant_seconds
    while time.monotonic() < deadline:
        response = _post(pages, "+access-token", signature)
        if response.status == 200:
            credentials = Credentials(APPLICATION)
            credentials.access_token = AccessToken(*_token_of(response))
            return credentials
        if response.status == 403:
            raise ConfigurationError("Access was denied on Launchpad.", 403)
        if response.status != 401:  # 401: not granted yet
            raise TemporaryError(f"Launchpad answered {response.status}.")
        time.sleep(poll_seconds)
    raise LaunchpadError(f"Nobody granted access within {grant_seconds / 60:g} minutes.")


def _post(root: str, page: str, fields: Mapping[str, str]) -> http.Response:
    try:
        return http.send(
            "POST", root + page, headers={"Referer": root}, data=fields,
            timeout=settings.LAUNCHPAD_TIMEOUT, limit=MAX_BYTES,
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
