"""Launchpad's webhooks: an item is brought up to date seconds after it changed there (docs/launchpad.md).

A delivery is only ever a hint. Nothing in it is believed but which item it speaks of: that item is then read from
Launchpad itself. So deliveries may come twice, late or out of order, and one that is lost costs minutes: polling is
the safety net.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import APIException, ParseError, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from core.counters import count
from core.enqueue import hint
from integrations.launchpad.client import api_root
from integrations.models import WebhookDelivery
from integrations.tasks import import_item, refresh_review
from reviews.models import Review, Source

logger = logging.getLogger(__name__)

COUNTED = {200: "ignored", 202: "accepted", 400: "unreadable", 403: "wrong signature", 413: "too large"}
MOST_REVIEWS = 100  # reviews that one push may concern
# A path as Launchpad writes it: no host, no query, nothing that leads elsewhere.
_PATH = re.compile(r"/[A-Za-z0-9~][A-Za-z0-9~+@%._/-]{0,900}")
_BUG = re.compile(r"/(?:[a-z0-9+.-]+/(?:\+source/[a-z0-9+.-]+/)?\+bug|bugs)/([0-9]{1,12})")


class BodyTooLarge(APIException):
    """More bytes than any delivery has."""

    status_code = 413
    default_detail = "The body is too large."
    default_code = "too_large"


@dataclass
class Effect:
    """What a delivery asks for: known reviews to refresh, paths of items to take, and that in words."""

    reviews: list[int] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    words: str = ""


def signature(secret: str, body: bytes) -> str:
    """What Launchpad puts into ``X-Hub-Signature`` for this body."""
    return "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


def sources_of(body: bytes, signed: str) -> list[Source]:
    """The active sources whose secret signed the body. Every secret is tried, each in constant time."""
    given = signed.encode("utf-8", "replace")
    sources = Source.objects.filter(active=True).exclude(webhook_secret="")
    return [source for source in sources if hmac.compare_digest(signature(source.webhook_secret, body).encode(), given)]


class LaunchpadWebhookView(APIView):
    """Launchpad reports changes here. A source's webhook secret lets it in; there is no other account."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "webhook"

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Count what came of it. Throttled ones cost nothing, not even that."""
        if response.status_code in COUNTED:
            count("webhooks", COUNTED[response.status_code])
        return super().finalize_response(request, response, *args, **kwargs)

    @extend_schema(
        operation_id="launchpad_webhook",
        parameters=[
            OpenApiParameter("X-Hub-Signature", str, OpenApiParameter.HEADER, description="sha1=<HMAC of the body>"),
            OpenApiParameter("X-Launchpad-Event-Type", str, OpenApiParameter.HEADER),
            OpenApiParameter("X-Launchpad-Delivery", str, OpenApiParameter.HEADER),
        ],
        request={"application/json": {"type": "object"}},
        responses={(200, 202): inline_serializer("WebhookAnswer", {"detail": serializers.CharField()})},
    )
    def post(self, request: Request) -> Response:
        """Take a delivery. 202: something is brought up to date; 200: ignored, and `detail` says why."""
        body = _body_of(request)
        sources = sources_of(body, request.headers.get("X-Hub-Signature", ""))
        if not sources:
            raise PermissionDenied(
                "The signature fits no active source's webhook secret. Set the same secret on the source and on "
                "Launchpad's webhook."
            )
        payload = _payload_of(body)
        event = request.headers.get("X-Launchpad-Event-Type", "")[:64]
        number = request.headers.get("X-Launchpad-Delivery", "").strip()[:64]
        effect = effect_of(event, payload, sources)
        if not _remember(sources[0], event, number, effect):
            return Response({"detail": f"Ignored: delivery {number} was received already."})
        for pk in effect.reviews:
            hint(refresh_review, pk)
        for path in effect.items:
            for source in sources:
                hint(import_item, source.pk, path)
        logger.info("webhook received event=%s delivery=%s source=%s", event, number, sources[0].name)
        return Response({"detail": effect.words}, status=202 if effect.reviews or effect.items else 200)


def _body_of(request: Request) -> bytes:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length > limit:
        raise BodyTooLarge
    body: bytes = request._request.body
    return body


def _payload_of(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise ParseError("The body is not JSON.") from None
    if not isinstance(payload, dict):
        raise ParseError("The body is not a JSON object.")
    return payload


def _remember(source: Source, event: str, number: str, effect: Effect) -> bool:
    """Keep the delivery and make its reviews due, both or neither; false when it was received before."""
    try:
        with transaction.atomic():
            WebhookDelivery.objects.create(source=source, number=number or None, event=event, note=effect.words[:255])
            # The row is the truth, the message a hint: whatever becomes of the message, refresh_active finds it due.
            Review.objects.filter(pk__in=effect.reviews).update(due_at=timezone.now())
    except IntegrityError:
        return False
    return True


def effect_of(event: str, payload: dict[str, Any], sources: list[Source]) -> Effect:
    """What an event asks for. Reads the database, writes nothing."""
    if event == "ping":
        return Effect(words="Pong: the secret fits.")
    if event == "merge-proposal:0.1":
        return _of_proposal(payload)
    if event in ("bug:0.1", "bug:comment:0.1"):
        return _of_bug(payload, sources)
    if event == "git:push:0.1":
        changes = payload.get("ref_changes")
        return _of_push(_path(payload, "git_repository"), set(changes) if isinstance(changes, dict) else set())
    if event == "bzr:push:0.1":
        return _of_push(_path(payload, "bzr_branch"), None)
    return Effect(words="Ignored: the event is none that this queue knows.")


def _path(payload: dict[str, Any], name: str) -> str:
    """A path out of the payload, without its slash. Raises ParseError for anything that is not plainly one."""
    value = payload.get(name)
    if (
        not isinstance(value, str)
        or not _PATH.fullmatch(value)
        or ".." in value
        or "//" in value
        or "%2e" in value.lower()
    ):
        raise ParseError(f"{name} is not a path on Launchpad.")
    return value.strip("/")


def _of_proposal(payload: dict[str, Any]) -> Effect:
    path = _path(payload, "merge_proposal")
    if "/+merge/" not in path:
        raise ParseError("merge_proposal is not the path of a merge proposal.")
    return _effect([path], gone=payload.get("action") == "deleted")


def _of_bug(payload: dict[str, Any], sources: list[Source]) -> Effect:
    bug = payload.get("bug")
    found = _BUG.fullmatch(bug) if isinstance(bug, str) else None
    if not found:
        raise ParseError("bug is not the path of a bug.")
    # A review is a task of the bug, and a task lies below what it is a task of.
    targets = {source.target.strip("/") for source in sources if source.kind == Source.Kind.DISTRIBUTION_BUGS}
    if "target" in payload:
        targets.add(_path(payload, "target"))
    return _effect([f"{target}/+bug/{found.group(1)}" for target in sorted(targets)], gone=False)


def _effect(paths: list[str], *, gone: bool) -> Effect:
    root = api_root()
    known = dict(Review.objects.filter(api_url__in=[root + path for path in paths]).values_list("api_url", "pk"))
    new = [] if gone else [path for path in paths if root + path not in known]
    words = f"{len(known)} known items are brought up to date, {len(new)} are looked at."
    if not known and not new:
        words = "Ignored: it speaks of nothing that is in the queue."
    return Effect(list(known.values()), new, words)


def _of_push(path: str, refs: set[str] | None) -> Effect:
    """The open proposals out of a branch, or out of the pushed refs of a repository."""
    reviews = Review.objects.open().filter(api_url__startswith=f"{api_root()}{path}/+merge/")
    # Compared here: names of refs are anything, and a database takes neither any character nor any number of them.
    branches = reviews.values_list("pk", "branch")
    known = [pk for pk, branch in branches if refs is None or branch in refs][:MOST_REVIEWS]
    if not known:
        return Effect(words="Ignored: nothing in the queue is proposed from there.")
    return Effect(known, words=f"{len(known)} known items are brought up to date.")
