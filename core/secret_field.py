"""A column for a secret: encrypted with SECRET_KEY, read with it or one of SECRET_KEY_FALLBACKS.

A secret that no key reads any more is an ``Undecryptable``: it counts as no secret, and is written back as it was, so
that it can be read again when its key comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model, TextField
from django.db.models.functions import Cast
from encrypted_fields.fields import EncryptedCharField

ENTER_AGAIN = "can't be decrypted, as the key it was encrypted with is gone: enter it again"
_ENCRYPTED = "gAAAA"  # how everything begins that Fernet encrypts


@dataclass(frozen=True, repr=False, slots=True)
class Undecryptable:
    """A secret that no key reads, as it is ``stored``. It is False, and shown as nothing."""

    stored: str

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""


@cache
def _cipher(keys: tuple[str, ...]) -> Fernet | MultiFernet:
    """The cipher of these keys, which are those of the settings: deriving them takes a moment, once a process."""
    return EncryptedCharField().f


def cipher() -> Fernet | MultiFernet:
    """Encrypts with the newest key, and decrypts with any."""
    return _cipher((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@cache
def _newest_cipher(key: str) -> Fernet:
    keys: Any = EncryptedCharField().keys
    return Fernet(keys[0])


def is_of_newest_key(stored: str) -> bool:
    """Whether a value of the database was encrypted with SECRET_KEY itself."""
    try:
        _newest_cipher(settings.SECRET_KEY).decrypt(stored.encode())
    except InvalidToken:
        return False
    return True


class SecretField(EncryptedCharField):
    """An encrypted text. Empty is NULL in the database, and read from it an empty text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "null": True, "blank": True})

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Undecryptable):
            return value.stored
        return cipher().encrypt(str(value).encode()).decode() if value else None

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> str | Undecryptable:
        if not value:
            return ""
        try:
            return cipher().decrypt(value.encode()).decode()
        except InvalidToken:
            # What is not encrypted at all was written before secrets were.
            return Undecryptable(value) if value.startswith(_ENCRYPTED) else str(value)

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, Undecryptable) else "" if value is None else str(value)

    def clean(self, value: Any, model_instance: Model | None) -> Any:
        return value if isinstance(value, Undecryptable) else Field.clean(self, value, model_instance)


def encrypt_anew(model: type[Model], name: str) -> int:
    """Encrypt with SECRET_KEY what was encrypted with one of SECRET_KEY_FALLBACKS, or not at all. Returns how many."""
    count = 0
    stored = model._default_manager.annotate(stored=Cast(name, TextField())).exclude(**{name: None})
    for row in stored:
        secret = getattr(row, name)
        if secret and not is_of_newest_key(getattr(row, "stored")):  # noqa: B009 (the query's own column)
            count += model._default_manager.filter(pk=row.pk, **{f"{name}__isnull": False}).update(**{name: secret})
    return count
