"""No secret reaches a log, an error report or an error page: what looks like one is replaced, wherever it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

HIDDEN = "[hidden]"
MIN_SECRET_LENGTH = 8  # characters; a shorter configured secret would hide harmless words
MAX_DEPTH = 8  # levels of nested values that are looked into

_NAMES = (
    r"(?:[a-z0-9_.-]*(?:token|secret|passw(?:or)?d|api_?key|signature|dsn)|oauth_[a-z_]+|sessionid|csrftoken"
    r"|csrfmiddlewaretoken|set-cookie|cookie|authorization)"
)
# token=…, "token": "…", 'token': '…', token="…", 'token': ['…'], the same inside of quoted JSON (\"token\": \"…\")
# and with the quotes escaped for HTML.
_QUOTE = r"""\\*(?:["']|&\#x27;|&\#39;|&quot;)?"""
_PAIR = re.compile(rf"""(?i)(?<![a-z0-9])({_NAMES})({_QUOTE}\s*[=:]\s*\[?{_QUOTE})([^\s"'\\&,;<>(){{}}\[\]]+)""")
_HEADER = re.compile(r"(?i)\b(authorization|cookie|set-cookie)(\\*[\"']?\s*[=:]\s*\\*[\"']?)([^\r\n\"'\\<]+)")
_SCHEME = re.compile(r"(?i)\b(basic|bearer|token)\s+([a-z0-9+/=._~-]{16,})")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@\"'<>]*@")
_SIGNATURE = re.compile(r"(?i)\bsha(1|256)=[0-9a-f]{40,64}")
_SECRET_NAME = re.compile(
    rf"(?i)^(http_)?{_NAMES}$|token|secret|password|passwd|signature|credential|authorization|cookie|oauth|dsn$|api_?key"
)


def configured_secrets() -> list[str]:
    """The values of settings that nobody may read, longest first."""
    found = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS, settings.JENKINS_TOKEN, settings.JENKINS_API_TOKEN]
    found.append(str(settings.DATABASES["default"].get("PASSWORD") or ""))
    with suppress(ValueError):  # a URL that is not valid is reported by the start-up checks
        found.append(urlsplit(settings.CELERY_BROKER_URL).password or "")
    return sorted((str(value) for value in found if len(str(value)) >= MIN_SECRET_LENGTH), key=len, reverse=True)


def redact(text: str) -> str:
    """The text without tokens, passwords, cookies, signatures and the configured secrets."""
    for secret in configured_secrets() if settings.configured else ():
        text = text.replace(secret, HIDDEN)
    text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    text = _SIGNATURE.sub(rf"sha\1={HIDDEN}", text)
    return _PAIR.sub(rf"\1\2{HIDDEN}", text)


def is_secret_name(name: object) -> bool:
    """Whether a value of that name is never shown."""
    return isinstance(name, str) and bool(_SECRET_NAME.search(name))


def redact_value(value: Any, depth: int = 0) -> Any:
    """Mappings, lists and texts, redacted at every level. Values of other types, but for numbers, become texts."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if depth > MAX_DEPTH:
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: HIDDEN if is_secret_name(key) else redact_value(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(inner, depth + 1) for inner in value]
    return value if isinstance(value, bool | int | float | None) else redact(str(value))
