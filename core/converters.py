"""Path converters. Imported by every module of URLs that uses one."""

from django.urls import register_converter
from django.urls.converters import IntConverter


class Id(IntConverter):
    """The id of a row. A number that is too long for the column is a 404 instead of an error of the database."""

    regex = "[0-9]{1,18}"


register_converter(Id, "id")
