"""The page that explains the REST API: Swagger UI, and the same in short for who has no JavaScript."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response


class Operation(NamedTuple):
    """One thing that the API does."""

    method: str
    path: str
    description: str
    parameters: list[str]  # of the query


class ApiDocs(SpectacularSwaggerSplitView):
    """Without OPTIONS, which would answer with a description of the view instead of a page."""

    url_name = "api-schema"
    http_method_names = ["get", "head"]

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().get(request, *args, **kwargs)
        if "script" not in request.query_params:
            answer.data["operations"] = operations()
        return answer


@cache
def operations() -> list[Operation]:
    """All that the API does, from its schema. It takes some 100 ms, once in a process."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return [
        Operation(
            method.upper(), path, operation.get("description", ""),
            [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"],
        )
        for path, by_method in paths.items()
        for method, operation in by_method.items()
    ]  # fmt: skip
