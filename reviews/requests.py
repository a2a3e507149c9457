"""Who is asked to review an item (docs/specification.md, sections 3 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from reviews.facts import ExtraFacts, RequestFacts
from reviews.models import Review, ReviewRequest
from reviews.people import upsert_people

FIELDS = ("registrant_id", "review_type", "requested_at", "is_pending")


def apply_extras(review: Review, extras: ExtraFacts, now: datetime) -> None:
    """Put what was read beside an item's entry, since ``now``, on its review; the caller holds its row and saves it."""
    if extras.requests is not None:
        _sync_requests(review, extras.requests, now)
    if extras.bugs is not None:
        review.related_bugs = [{"number": bug.number, "title": bug.title, "url": bug.url} for bug in extras.bugs]
    is_wanted_again = now < review.due_at <= timezone.now()  # somebody asked for the item while it was read
    review.extras_read_at = now if extras.is_complete and not is_wanted_again else None


def _sync_requests(review: Review, requests: Sequence[RequestFacts], now: datetime) -> None:
    """Make the review's requests those that Launchpad has, and keep the names of those who are waited for."""
    named = [person for facts in requests for person in (facts.reviewer, facts.registrant) if person]
    people = upsert_people(named, now)
    known = {request.reviewer_id: request for request in review.requests.all()}
    added, changed = [], []
    for facts in requests:
        reviewer = people[facts.reviewer.username]
        request = known.pop(reviewer.pk, None)
        is_new = request is None
        request = request or ReviewRequest(review=review, reviewer=reviewer, requested_at=facts.requested_at)
        before = [getattr(request, name) for name in FIELDS]
        request.registrant = people[facts.registrant.username] if facts.registrant else None
        request.review_type, request.is_pending = facts.review_type, facts.is_pending
        request.requested_at = facts.requested_at
        if is_new:
            added.append(request)
        elif before != [getattr(request, name) for name in FIELDS]:
            changed.append(request)
    ReviewRequest.objects.bulk_create(added)
    if changed:
        ReviewRequest.objects.bulk_update(changed, ["registrant", "review_type", "requested_at", "is_pending"])
    if known:
        review.requests.filter(reviewer__in=known).delete()
    review.requested_reviewers = sorted(facts.reviewer.username for facts in requests if facts.is_pending)
