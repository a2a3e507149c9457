"""How the REST API reads bodies: as Django REST framework does, and what people's scripts send besides."""

import codecs
import io
from collections.abc import Mapping
from typing import IO, Any

from django.http import QueryDict
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, JSONParser

Context = Mapping[str, Any] | None


class BoundedJSONParser(JSONParser):
    """JSON in UTF-8, with or without a byte order mark, or in UTF-16 with one. Nested too deeply, it is a 400 and not a
    500."""

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Context = None) -> dict[str, Any]:
        context = dict(parser_context or {})
        if str(context.get("encoding", "utf-8")).lower() in ("utf-8", "utf8"):
            body = stream.read()
            stream, context["encoding"] = io.BytesIO(body), _encoding(body)
        try:
            return super().parse(stream, media_type, context)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply") from None


class FormOrJSONParser(BaseParser):
    """A form or JSON, recognised by its first character, whatever the content type says.

    Scripts send ``text/plain`` or no type at all, with a byte order mark in front and a newline behind.
    """

    media_type = "*/*"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Context = None) -> Any:
        try:
            body = stream.read()
            text = body.decode(_encoding(body)).strip()
        except UnicodeDecodeError:
            raise ParseError("The body is neither UTF-8, nor UTF-16 with a byte order mark") from None
        if text.startswith(("{", "[", '"')):
            return BoundedJSONParser().parse(io.BytesIO(text.encode()))
        return QueryDict(text)


def _encoding(body: bytes) -> str:
    """UTF-16 where the body's byte order mark says so, as Windows' tools write it; else UTF-8."""
    return "utf-16" if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
