"""Who may ask the REST API what, by default. Apart from the views, because DRF loads it before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import IsAuthenticatedOrReadOnly

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class ReadOnlyUnlessSaid(IsAuthenticatedOrReadOnly):
    """Everybody reads. A method that a view does not have is a 405 for everybody rather than a 403 for visitors."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        known = hasattr(view, str(request.method).lower())
        return not known or super().has_permission(request, view)
