"""The folder in which mails land while no mail server is configured."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings

from core.text import shorten

MAX_MAILS = 100
MAX_BYTES = 200_000  # of a file
MAX_TEXT = 5_000  # characters of a mail
SEPARATOR = "-" * 79  # between two mails of a file, as Django's file backend writes it


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of the folder."""

    subject: str
    to: str
    date: str
    text: str


def folder_of_mails() -> str:
    """Where mails land; empty when they are sent."""
    is_folder = settings.EMAIL_BACKEND == "django.core.mail.backends.filebased.EmailBackend"
    return str(settings.EMAIL_FILE_PATH) if is_folder else ""


def read_mails() -> list[Mail]:
    """The newest mails of the folder, at most 100."""
    folder = Path(folder_of_mails() or "/nonexistent")
    if not folder.is_dir():
        return []
    files = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime, reverse=True)
    found: list[Mail] = []
    for file in files:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES).decode("utf-8", "replace")
        found += [_read(part.lstrip("\n")) for part in reversed(raw.split(f"\n{SEPARATOR}\n")) if part.strip()]
        if len(found) >= MAX_MAILS:
            break
    return found[:MAX_MAILS]


def _read(raw: str) -> Mail:
    mail = email.message_from_string(raw, EmailMessage, policy=email.policy.default)
    body = mail.get_body(("plain",))
    text = body.get_content() if body is not None else ""
    return Mail(str(mail["Subject"] or ""), str(mail["To"] or ""), str(mail["Date"] or ""), shorten(text, MAX_TEXT))


def prune_mails(cutoff: datetime) -> None:
    """Delete the files of mails that were written before."""
    folder = Path(folder_of_mails() or "/nonexistent")
    for file in folder.glob("*.log") if folder.is_dir() else ():
        if file.stat().st_mtime < cutoff.timestamp():
            file.unlink(missing_ok=True)
