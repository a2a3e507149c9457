"""The REST API's description of itself: what every operation may answer when it refuses; and what is nowhere."""

from __future__ import annotations

from typing import Any

from django.urls import resolve
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

DETAIL = "Detail"
PROBLEMS: dict[str, str] = {
    "400": "Something makes no sense: a message per field, or `detail`.",
    "401": "The token is not valid.",
    "403": "You may not do this, or the CSRF token is missing; `detail` says which.",
    "404": "There is no such thing.",
    "405": "Not this method.",
    "406": "Only JSON is answered.",
    "409": "It can't be done as things are; `detail` says why.",
    "413": "The body is too large.",
    "415": "The body is of a type that is not read; `detail` names those that are.",
    "429": "Too many requests; the header `Retry-After` says for how many seconds.",
}
EVERYWHERE = ("401", "403", "404", "405", "406", "413", "429")
WITH_BODY = ("400", "409", "415")


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular hook: add to each operation the answers by which it refuses."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas[DETAIL] = {
        "type": "object",
        "description": "Why something was refused.",
        "properties": {"detail": {"type": "string"}},
        "required": ["detail"],
    }
    schemas["Problems"] = {
        "description": "A list of messages per field, or a `detail`.",
        "type": "object",
        "additionalProperties": {},
    }
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            codes = EVERYWHERE + (WITH_BODY if method == "post" else ("400",) if "{" not in path else ())
            for code in codes:
                name = "Problems" if code == "400" else DETAIL
                operation["responses"].setdefault(
                    code,
                    {
                        "description": PROBLEMS[code],
                        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
                    },
                )
    return result


class NothingHere(APIView):
    """404 in JSON for every address below ``/api/`` that nothing else answers."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse whatever the method is."""
        raise NotFound(self._words(request.path))

    @staticmethod
    def _words(path: str) -> str:
        if not path.endswith("/") and resolve(f"{path}/").url_name != "api-nothing":
            return f"Addresses end with a slash: {path}/"
        return "There is nothing at this address. What there is: /api/docs/"
