"""The callback endpoint: where builds report to (docs/specification.md, section 5)."""

from typing import Any

from django.db.models import prefetch_related_objects
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ParseError, PermissionDenied, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from core.api.parsers import BoundedJSONParser, FormOrJSONParser
from core.counters import count
from testing.api.runs import TestRunSerializer, shown_results
from testing.callbacks import ACCEPTED, InvalidCallback, UnknownRun, WrongToken, apply_callback

LARGEST_ID = 2**63 - 1
REFUSALS = {400: "unreadable", 403: "wrong token", 404: "no such run"}


class CallbackSerializer(serializers.Serializer[Any]):
    """What a build says of itself."""

    default_error_messages = {"invalid": f"Send an object or a form with status and build_url. {ACCEPTED}"}

    status = serializers.CharField(
        max_length=32,
        error_messages={
            "required": f"Say the status. {ACCEPTED}",
            **dict.fromkeys(("null", "blank", "invalid", "max_length"), f"Unknown status. {ACCEPTED}"),
        },
    )
    build_url = serializers.CharField(required=False, allow_blank=True, default="")
    result_url = serializers.CharField(required=False, allow_blank=True, default="")
    target_revision = serializers.CharField(
        required=False, allow_blank=True, default="", help_text="The revision that it was merged into."
    )


class CallbackAnswerSerializer(TestRunSerializer):
    """The run as it is now, and whether the callback changed it."""

    applied = serializers.BooleanField(read_only=True)
    reason = serializers.CharField(read_only=True)

    class Meta(TestRunSerializer.Meta):
        fields = [*TestRunSerializer.Meta.fields, "applied", "reason"]
        read_only_fields = fields


class CallbackView(APIView):
    """Builds report here. The token in the URL lets them in; they need no account and no other secret."""

    authentication_classes = ()
    permission_classes = ()
    parser_classes = (BoundedJSONParser, MultiPartParser, FormOrJSONParser)
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "callback"

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Count what came of it, in one statement after everything else. Throttled ones cost nothing, not even that."""
        if response.status_code == 200 and isinstance(response.data, dict):
            count("callbacks", "applied" if response.data.get("applied") else "ignored")
        elif response.status_code in REFUSALS:
            count("callbacks", REFUSALS[response.status_code])
        return super().finalize_response(request, response, *args, **kwargs)

    @extend_schema(
        operation_id="test_run_callback",
        parameters=[OpenApiParameter("token", str, description="Given to the build as part of `callback_url`.")],
        request={
            "application/json": CallbackSerializer,
            "application/x-www-form-urlencoded": CallbackSerializer,
            "multipart/form-data": CallbackSerializer,
        },
        responses={200: CallbackAnswerSerializer},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Report RUNNING or an outcome. Repeats are harmless; `applied` says whether the run changed."""
        try:
            body = request.data  # a broken body is a 400 before anything else is looked at
        except ParseError as error:
            raise ParseError(f"{error.detail}. Send JSON or a form with status and build_url. {ACCEPTED}") from None
        if pk > LARGEST_ID:
            raise NotFound("There is no such test run.")
        said = CallbackSerializer(data={} if body is None else body)
        complete = said.is_valid()
        facts = said.validated_data if complete else {"status": ""}
        try:
            result = apply_callback(pk, request.query_params.get("token", ""), **facts)
        except UnknownRun:
            raise NotFound("There is no such test run.") from None
        except WrongToken:
            raise PermissionDenied(
                "The token does not belong to this test run. Use callback_url as the build was given it."
            ) from None
        except InvalidCallback as error:
            if not complete:
                raise ValidationError(said.errors) from None
            raise ValidationError({error.field: [str(error)]}) from None
        if not result.applied:  # single tests are collected after an outcome: a run that has just changed has none
            prefetch_related_objects([result.run], shown_results())
        answer = TestRunSerializer(result.run).data
        return Response({**answer, "applied": result.applied, "reason": result.reason})
