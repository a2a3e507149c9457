"""Connecting a person with Launchpad in the browser: OAuth with their own consent (docs/specification.md, section 6).

The token is theirs: it is encrypted, posts in their name and does nothing else, and goes when they disconnect.
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

from cryptography.fernet import InvalidToken
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from accounts.models import User
from core.secret_field import cipher
from integrations.launchpad.client import Launchpad, web_root
from integrations.launchpad.credentials import RequestToken, ask_for_token, exchange, make_credentials
from integrations.launchpad.errors import ConfigurationError, LaunchpadError, NotAccessible
from integrations.models import LaunchpadConnection
from reviews.models import Source

TIMEOUT_SECONDS = 5.0  # of each of the three requests for which a person waits
SESSION_KEY = "launchpad_connecting"
EXPIRED = "That answer of Launchpad belongs to no connection that was begun in this browser. Begin again."
DENIED = "You did not allow it on Launchpad. Nothing was connected."
NOT_GRANTED = "Launchpad says that you have not decided yet. Begin again, and choose on Launchpad's page."
REVOKED = "Launchpad does not accept your connection any more. Connect again, and then post it."


class NotConnected(Exception):
    """No connection was made; ``str()`` says why, to the person who tried."""


def wanted_access() -> str:
    """The least that is enough: private items are written to only where some source shows them to reviewers."""
    takes_private = Source.objects.active().filter(private_items=Source.PrivateItems.REVIEWERS).exists()
    return LaunchpadConnection.Access.PRIVATE if takes_private else LaunchpadConnection.Access.PUBLIC


def begin(session: Any, user: User, callback: str) -> str:
    """Ask Launchpad for a token, and return the URL of its page where the person grants access.

    The session remembers what was begun, so that only this browser can finish it. ``callback`` is where Launchpad
    sends the browser afterwards. Raises NotConnected.
    """
    try:
        request = ask_for_token(TIMEOUT_SECONDS)
    except LaunchpadError as problem:
        raise NotConnected(f"{problem} Nothing was connected. Try again in a few minutes.") from None
    state, access = secrets.token_urlsafe(24), wanted_access()
    session[SESSION_KEY] = {
        "state": state, "user": user.pk, "access": access, "token": request.token,
        "secret": cipher().encrypt(request.secret.encode()).decode(),
    }  # fmt: skip
    return request.page(callback=f"{callback}?state={state}", access=[access])


def finish(session: Any, user: User, state: str) -> LaunchpadConnection:
    """Launchpad has sent the browser back: fetch the token, see whose it is, and keep it.

    What was begun can be finished once. Raises NotConnected.
    """
    begun = session.pop(SESSION_KEY, None)
    is_same = begun and begun["user"] == user.pk and secrets.compare_digest(begun["state"].encode(), state.encode())
    if not is_same:
        raise NotConnected(EXPIRED)
    try:
        request = RequestToken(begun["token"], cipher().decrypt(begun["secret"].encode()).decode())
        credentials = exchange(request, TIMEOUT_SECONDS)
        if credentials is None:
            raise NotConnected(NOT_GRANTED)
        name = Launchpad(credentials, timeout=TIMEOUT_SECONDS).me()
    except InvalidToken:  # the key has been changed meanwhile
        raise NotConnected(EXPIRED) from None
    except ConfigurationError as problem:
        raise NotConnected(DENIED if problem.status == 403 else str(problem)) from None
    except LaunchpadError as problem:
        raise NotConnected(f"{problem} Nothing was connected. Try again in a few minutes.") from None
    _check_name(user, name)
    token = credentials.access_token
    connection, _ = LaunchpadConnection.objects.update_or_create(
        user=user,
        defaults={
            "name": name, "access": begun["access"], "token": token.key, "secret": token.secret,
            "connected_at": timezone.now(), "revoked_at": None,
        },
    )  # fmt: skip
    return connection


def disconnect(user: User) -> bool:
    """Forget the person's token. Returns whether there was one."""
    return bool(LaunchpadConnection.objects.filter(user=user).delete()[0])


def tokens_page(name: str) -> str:
    """The page of Launchpad where a person sees and revokes what they have allowed."""
    return f"{web_root()}~{quote(name)}/+oauth-tokens"


def client_of(connection: LaunchpadConnection) -> Launchpad:
    """A client that acts as the person; for writing only."""
    return Launchpad(make_credentials(str(connection.token), str(connection.secret)))


def is_accepted(connection: LaunchpadConnection) -> bool:
    """Whether Launchpad takes the person's token still; written down where it does not. One request.

    Raises LaunchpadError when Launchpad can't be asked.
    """
    try:
        client_of(connection).get("people/+me")
    except NotAccessible as problem:
        if problem.status != 401:
            return True
        LaunchpadConnection.objects.filter(pk=connection.pk, revoked_at=None).update(revoked_at=timezone.now())
        return False
    return True


def _check_name(user: User, name: str) -> None:
    """What is posted stands on Launchpad under that name: here it has to be the same person. Raises NotConnected."""
    try:
        here = user.as_person().username
    except PermissionDenied as refusal:
        raise NotConnected(str(refusal)) from None
    if name != here:
        raise NotConnected(
            f"On Launchpad you are logged in as {name or 'nobody'}, but here you are {here}. Nothing was connected. "
            f"Log in to Launchpad as {here}, or ask staff to join your account here with the person {name}."
        )
