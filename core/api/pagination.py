"""Pages of the REST API's lists."""

from __future__ import annotations

from rest_framework.pagination import PageNumberPagination


class ApiPagination(PageNumberPagination):
    """``page`` and ``page_size`` (100, up to 500)."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 500
