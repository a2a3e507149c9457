"""Launchpad's webhooks: an item is brought up to date seconds after it changed there (docs/launchpad.md).

Nothing in a delivery is believed but which item it is about: that item is then read from Launchpad itself. So
deliveries may come twice, late or out of order, and one that is lost costs minutes, until the next import.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import APIException, ParseError, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from core.counters import count
from core.enqueue import enqueue_on_commit
from integrations.launchpad.client import api_root
from integrations.launchpad.entries import find_proposal_number
from integrations.models import WebhookDelivery
from reviews.missing import note_deleted
from reviews.models import Review, Source
from reviews.refresh import make_due

logger = structlog.get_logger(__name__)

COUNTED = {200: "ignored", 202: "accepted", 400: "unreadable", 403: "wrong signature", 413: "too large"}
MAX_REVIEWS = 100  # reviews that one push may concern
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
    """What a delivery asks for: known reviews to refresh, paths of items to look at, and that in words."""

    words: str
    review_ids: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    deleted: bool = False  # Launchpad says that the reviews' items were deleted


def signature(secret: str, body: bytes) -> str:
    """What Launchpad puts into ``X-Hub-Signature`` for this body."""
    return "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


def find_signers(body: bytes, signed: str) -> list[Source]:
    """The active sources whose secret signed the body. Every secret is tried, each in constant time."""
    given = signed.encode("utf-8", "replace")
    sources = [source for source in Source.objects.active().exclude(webhook_secret=None) if source.webhook_secret]
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
        body = _read_body(request)
        sources = find_signers(body, request.headers.get("X-Hub-Signature", ""))
        if not sources:
            raise PermissionDenied(
                "The signature fits no active source's webhook secret. Set the same secret on the source and on "
                "Launchpad's webhook."
            )
        event = request.headers.get("X-Launchpad-Event-Type", "")[:64]
        number = request.headers.get("X-Launchpad-Delivery", "").strip()[:64]
        effect = find_effect(event, _parse_payload(body), sources)
        if not _apply(effect, sources, event, number):
            return Response({"detail": f"Ignored: delivery {number} was received already."})
        logger.info("webhook received", event_type=event, delivery=number, source=sources[0].name)
        return Response({"detail": effect.words}, status=202 if effect.review_ids or effect.paths else 200)


def _read_body(request: Request) -> bytes:
    """The body as it was signed. Raises BodyTooLarge."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise BodyTooLarge
    body: bytes = request.body
    return body


def _parse_payload(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise ParseError("The body is not JSON.") from None
    if not isinstance(payload, dict):
        raise ParseError("The body is not a JSON object.")
    return payload


def _apply(effect: Effect, sources: list[Source], event: str, number: str) -> bool:
    """Keep the delivery and start what it asks for, both or neither. False when it was received before."""
    try:
        with transaction.atomic():
            WebhookDelivery.objects.create(
                source=sources[0], number=number or None, event=event, note=effect.words[:255]
            )
            if effect.deleted:
                note_deleted(effect.review_ids)
            make_due(effect.review_ids)
            for path in effect.paths:
                for source in sources:
                    enqueue_on_commit("integrations.tasks.import_item", source.pk, path)
    except IntegrityError:
        return False
    return True


# --- what an event asks for --------------------------------------------------------------------------------------


def find_effect(event: str, payload: dict[str, Any], sources: list[Source]) -> Effect:
    """What an event asks for. A part of an event (``merge-proposal:0.1::push``) carries the payload of the whole.

    Whatever an event says happened, even something that Launchpad adds tomorrow, the item is looked at. Reads the
    database, writes nothing. Raises ParseError.
    """
    match event.partition("::")[0]:
        case "ping":
            return Effect("Pong: the secret fits.")
        case "merge-proposal:0.1":
            return _effect_of_proposal(payload)
        case "bug:0.1" | "bug:comment:0.1":
            return _effect_of_bug(payload, sources)
        case "git:push:0.1":
            changes = payload.get("ref_changes")
            refs = set(changes) if isinstance(changes, dict) else set()
            return _effect_of_push(_path_in(payload, "git_repository"), refs)
        case "bzr:push:0.1":
            return _effect_of_push(_path_in(payload, "bzr_branch"), None)
        case _:
            return Effect("Ignored: unknown event type.")


def _path_in(payload: dict[str, Any], name: str) -> str:
    """A path out of the payload, without its slash. Raises ParseError for anything that is not plainly one."""
    value = payload.get(name)
    is_path = isinstance(value, str) and _PATH.fullmatch(value)
    if not isinstance(value, str) or not is_path or ".." in value or "//" in value or "%2e" in value.lower():
        raise ParseError(f"{name} is not a path on Launchpad.")
    return value.strip("/")


def _effect_of_proposal(payload: dict[str, Any]) -> Effect:
    path = _path_in(payload, "merge_proposal")
    number = find_proposal_number(path)
    if number is None:
        raise ParseError("merge_proposal is not the path of a merge proposal.")
    known = Review.objects.filter(kind=Review.Kind.UPDATE, number=number)
    deleted = payload.get("action") == "deleted"
    review_ids = list(known.values_list("pk", flat=True))
    return _effect_on_items(review_ids, [] if review_ids or deleted else [path], deleted=deleted)


def _effect_of_bug(payload: dict[str, Any], sources: list[Source]) -> Effect:
    bug = payload.get("bug")
    found = _BUG.fullmatch(bug) if isinstance(bug, str) else None
    if not found:
        raise ParseError("bug is not the path of a bug.")
    number = int(found.group(1))
    # A review is a task of the bug, and a task lies below what it is a task of.
    targets = {source.target.strip("/") for source in sources if source.kind == Source.Kind.DISTRIBUTION_BUGS}
    if "target" in payload:
        targets.add(_path_in(payload, "target"))
    known = dict(Review.objects.filter(kind=Review.Kind.NEW, number=number).values_list("pk", "bug_target"))
    paths = [f"{target}/+bug/{number}" for target in sorted(targets - set(known.values()))]
    return _effect_on_items(list(known), paths, deleted=False)


def _effect_on_items(review_ids: list[int], paths: list[str], *, deleted: bool) -> Effect:
    """Known items are refreshed, others are looked at: whether a source holds them is found out then."""
    if not review_ids and not paths:
        return Effect("Ignored: the item is not in the queue.")
    words = f"{len(review_ids)} known items are brought up to date, {len(paths)} are looked at."
    return Effect(words, review_ids, paths, deleted)


def _effect_of_push(path: str, refs: set[str] | None) -> Effect:
    """The open proposals out of a branch, or out of the pushed refs of a repository."""
    proposals = Review.objects.open().filter(api_url__startswith=f"{api_root()}{path}/+merge/")
    # Compared here: names of refs are anything, and a database takes neither any character nor any number of them.
    branches = proposals.values_list("pk", "branch")
    pushed = [pk for pk, branch in branches if refs is None or branch in refs][:MAX_REVIEWS]
    if not pushed:
        return Effect("Ignored: nothing in the queue is proposed from there.")
    return Effect(f"{len(pushed)} known items are brought up to date.", pushed)
