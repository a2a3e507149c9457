"""The REST API's schema: the errors of every operation. And the 404 of addresses below ``/api/`` that do not exist."""

from __future__ import annotations

from typing import Any

from django.urls import resolve
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

DETAIL = "Detail"
PROBLEMS: dict[str, str] = {
    "400": "Something in the request is not valid: a message per field, or `detail`.",
    "401": "The token is not valid.",
    "403": "You may not do this, or the CSRF token is missing; `detail` says which.",
    "404": "Not found.",
    "405": "This method is not allowed here.",
    "406": "Only JSON is available.",
    "409": "It can't be done in the current state; `detail` says why.",
    "413": "The body is too large.",
    "415": "The body has an unsupported content type; `detail` names those that are supported.",
    "429": "Too many requests; the header `Retry-After` says for how many seconds.",
}
EVERYWHERE = ("401", "403", "404", "405", "406", "413", "429")
ONLY_SOME = {"post": ("400", "409", "415"), "delete": ("409",)}


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular hook: add to each operation its errors."""
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
            lists = ("400",) if "{" not in path else ()
            for code in EVERYWHERE + ONLY_SOME.get(method, lists):
                name = "Problems" if code == "400" else DETAIL
                operation["responses"].setdefault(
                    code,
                    {
                        "description": PROBLEMS[code],
                        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
                    },
                )
    return result


class ApiNotFound(APIView):
    """404 in JSON for every address below ``/api/`` that does not exist."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse whatever the method is."""
        raise NotFound(self._message(request.path))

    @staticmethod
    def _message(path: str) -> str:
        if not path.endswith("/") and resolve(f"{path}/").url_name != "api-nothing":
            return f"Addresses end with a slash: {path}/"
        return "There is nothing at this address. /api/docs/ lists what does."
