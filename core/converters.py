"""Path converters. Imported by every module of URLs that uses one."""

from django.urls import register_converter
from django.urls.converters import IntConverter


class Id(IntConverter):
    """An id that fits a row's: anything longer is no such row rather than an error of the database."""

    regex = "[0-9]{1,18}"


register_converter(Id, "id")
