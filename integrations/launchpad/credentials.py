"""Logging in to Launchpad: OAuth with a person's consent, cached in a file (docs/specification.md, section 9)."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from launchpadlib import uris
from launchpadlib.credentials import Credentials
from lazr.restfulclient.errors import HTTPError

from integrations.launchpad.client import APPLICATION
from integrations.launchpad.errors import LaunchpadError

POLL = 2.0  # seconds between two looks whether access was granted
PATIENCE = 900.0  # seconds


def _web_root() -> str:
    return str(uris.web_root_for_service_root(settings.LAUNCHPAD_SERVICE_ROOT))


def obtain(show: Callable[[str], None], *, poll: float = POLL, patience: float = PATIENCE) -> Credentials:
    """Ask Launchpad for access, ``show`` the page where a person grants it, and wait. Raises LaunchpadError."""
    credentials = Credentials(APPLICATION)
    try:
        show(credentials.get_request_token(web_root=_web_root()))
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                credentials.exchange_request_token_for_access_token(_web_root())
                return credentials
            except HTTPError as error:
                status = int(getattr(error.response, "status", 0))
                if status == 403:
                    raise LaunchpadError("Access was denied on Launchpad.") from None
                if status != 401:
                    raise LaunchpadError(f"Launchpad answered {status}.") from None
            time.sleep(poll)
    except LaunchpadError:
        raise
    except OSError:
        raise LaunchpadError("Launchpad can't be reached.") from None
    except Exception as error:
        raise LaunchpadError(f"Launchpad's answer makes no sense ({type(error).__name__}).") from None
    raise LaunchpadError(f"Nobody granted access within {patience / 60:g} minutes.")


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
