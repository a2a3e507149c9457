"""What a search found, for spreadsheets (CSV), programs (JSON) and feed readers (Atom)."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed

from core.db import query_timeout
from core.text import shorten
from reviews.api.reviews import ReviewSerializer
from reviews.choices import Actor, State
from reviews.managers import ReviewQuerySet
from reviews.tables import MAX_TITLE
from reviews.texts import square_words
from reviews.turns import TurnFacts, next_actor

MAX_CSV_ROWS = 50_000  # of a CSV
MAX_JSON_OBJECTS = 10_000  # of a JSON; the API pages through more
MAX_FEED_ENTRIES = 50  # of a feed
CHUNK = 500  # rows held at a time

CSV_FIELDS = (
    "id", "kind", "title", "state", "square", "url", "api_url", "source__name", "series__name", "revision",
    "owner__username", "owner__display_name", "positive_votes", "negative_votes", "locked_by__username", "created_at",
    "updated_at", "synced_at",
)  # fmt: skip
CSV_HEADINGS = (
    "id", "kind", "title", "state", "square", "url", "api_url", "source", "series", "revision", "owner",
    "owner_display_name", "votes_positive", "votes_negative", "locked_by", "created_at", "updated_at", "synced_at",
    "next_actor", "link",
)  # fmt: skip
BYTE_ORDER_MARK = "\ufeff"  # without it a spreadsheet takes UTF-8 for another encoding
TURN_FIELDS = ("verdict", "conflicts", "objections")  # what else says who acts next
_FORMULA = re.compile(r"^\s*[=+\-@\uff0b\uff0d\uff1d\uff20]|^[\t\r\n]")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class _Echo:
    """What ``csv.writer`` writes to: hands each line back, so that it can be streamed."""

    def write(self, line: str) -> str:
        return line


def cell(value: Any) -> Any:
    """A value as a spreadsheet may hold it: a text that it would run as a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        value = value.replace("\x00", "")
        return f"'{value}" if _FORMULA.match(value) else value
    return value


def csv_response(reviews: ReviewQuerySet) -> StreamingHttpResponse:
    """The reviews as a file for spreadsheets, streamed; at most ``MAX_CSV_ROWS``. Raises QueryTooSlow."""
    writer = csv.writer(_Echo())
    rows = _started(reviews.values_list(*CSV_FIELDS, *TURN_FIELDS)[:MAX_CSV_ROWS])
    page = settings.BASE_URL + reverse("review", args=[0]).removesuffix("0/")
    lines = ([*map(cell, row[: len(CSV_FIELDS)]), next_actor(_facts_of(row)), f"{page}{row[0]}/"] for row in rows)
    body = (writer.writerow(line) for line in chain([CSV_HEADINGS], lines))
    response = StreamingHttpResponse(
        chain([BYTE_ORDER_MARK], body), content_type="text/csv; charset=utf-8; header=present"
    )
    response["Content-Disposition"] = 'attachment; filename="reviews.csv"'
    return response


def _facts_of(row: tuple[Any, ...]) -> TurnFacts:
    """Whose turn the item of a row is, as far as the actor goes."""
    verdict, conflicts, objections = row[len(CSV_FIELDS) :]
    return TurnFacts(row[CSV_FIELDS.index("state")], verdict=verdict, conflicts=conflicts, objections=objections)


def json_response(reviews: ReviewQuerySet) -> StreamingHttpResponse:
    """The reviews with the fields of the API, streamed; ``complete`` says whether these are all.

    Raises QueryTooSlow.
    """
    found = _started(reviews.for_rows()[: MAX_JSON_OBJECTS + 1])
    response = StreamingHttpResponse(_json(found), content_type="application/json")
    response["Content-Disposition"] = 'inline; filename="reviews.json"'
    return response


def _json(found: Iterable[Any]) -> Iterator[str]:
    serializer = ReviewSerializer()
    encoder = DjangoJSONEncoder(ensure_ascii=False)
    complete = True
    yield '{"results": ['
    for position, review in enumerate(found):
        if position == MAX_JSON_OBJECTS:
            complete = False
            break
        yield (",\n" if position else "\n") + encoder.encode(serializer.to_representation(review))
    yield f'\n], "complete": {json.dumps(complete)}}}\n'


def atom_response(reviews: ReviewQuerySet, query: str) -> HttpResponse:
    """A feed of the ``MAX_FEED_ENTRIES`` reviews of latest activity.

    An entry is of a review in a state: when the state changes it is a new one, which a feed reader shows as unread.

    Raises QueryTooSlow.
    """
    base = settings.BASE_URL
    search = f"{base}{reverse('search')}"
    plain = f"?{query}" if query else ""
    newest = reviews.newest_first().for_rows()[:MAX_FEED_ENTRIES]
    with query_timeout():
        found = list(newest)
    feed = Atom1Feed(
        title=_feed_title(query),
        link=search + plain,
        description="",
        subtitle="Reviews that match a search, newest activity first.",
        author_name="Review Queue",
        feed_url=f"{search}?{query}{'&' if query else ''}format=atom",
        feed_guid=search + plain,
        language="en",
    )
    for review in found:
        address = base + review.get_absolute_url()
        state = State(review.state)
        submitter = _xml(review.owner.display_name or review.owner.username)
        feed.add_item(
            title=f"{state.label}: {_xml(shorten(review.title, MAX_TITLE)) or '(no title)'}",
            link=address,
            description=(
                f"Submitted by {submitter}. Who acts next: {Actor(review.next_actor).label}; "
                f"{_xml(review.next_reason)}. Tests: {square_words(review)}."
                f" Votes: +{review.positive_votes} −{review.negative_votes}."
            ),
            author_name=submitter,
            unique_id=f"{address}#{state.value}",
            pubdate=review.created_at,
            updateddate=review.updated_at,
            categories=[state.value],
        )
    response = HttpResponse(content_type="application/atom+xml; charset=utf-8")
    feed.write(response, "utf-8")
    return response


def _feed_title(query: str) -> str:
    """``Review Queue: state new, submitter ada``: what tells two feeds apart in a list of them."""
    chosen = [f"{name.replace('_', ' ')} {value}" for name, value in parse_qsl(query)]
    return _xml(shorten(": ".join(["Review Queue", ", ".join(chosen)] if chosen else ["Review Queue"]), MAX_TITLE))


def _xml(text: str) -> str:
    """A text without what XML can't hold."""
    return _NOT_XML.sub("", text)


def _started(reviews: QuerySet[Any, Any]) -> Iterator[Any]:
    """Rows whose query has been answered already, so that one that fails does so before the response has begun."""
    rows = _in_chunks(reviews)
    first = next(rows, None)
    return iter(()) if first is None else chain([first], rows)


def _in_chunks(reviews: QuerySet[Any, Any]) -> Iterator[Any]:
    with query_timeout():
        yield from reviews.iterator(chunk_size=CHUNK)
