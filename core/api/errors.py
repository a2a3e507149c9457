"""Errors of the REST API that Django REST framework has no class for."""

from rest_framework import status
from rest_framework.exceptions import APIException


class Conflict(APIException):
    """What was asked for can't be done in the current state; ``detail`` says why."""

    status_code = status.HTTP_409_CONFLICT
