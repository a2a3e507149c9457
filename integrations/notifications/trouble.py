"""Trouble with Launchpad or Jenkins, told once when it has lasted a while and once when it is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from integrations.notifications.models import Channel, News, NewsKind
from reviews.models import Source
from testing.models import Server, TestRun

LASTING = timedelta(minutes=15)  # what is over sooner is not told
ENVIRONMENT = "jenkins"


def current_trouble(source: Source | None) -> dict[str, tuple[datetime, str]]:
    """What is wrong now: since when, and in a sentence, by a name that stays the same while it lasts. Three queries."""
    limit = timezone.now() - LASTING
    found: dict[str, tuple[datetime, str]] = {}
    sources = Source.objects.active().exclude(last_error="")
    for each in sources.filter(pk=source.pk) if source else sources:
        since = each.last_success_at or each.last_import_at
        if since and since < limit:
            found[f"source {each.pk}"] = (since, f"{each.name} can't be imported from Launchpad: {each.last_error}")
    for server in Server.objects.filter(active=True, failing_since__lt=limit):
        found[f"server {server.pk}"] = (server.failing_since or limit, f"{server.name} does not work: {server.problem}")
    refused = TestRun.objects.to_send().filter(job=None, refusals__gte=3, created_at__lt=limit).exclude(error="")
    if oldest := refused.order_by("created_at").first():
        found[ENVIRONMENT] = (oldest.created_at, f"Jenkins does not take builds: {oldest.error}")
    return found


def find_trouble(channel: Channel) -> list[News]:
    """What this channel is to be told of trouble that began, or that is over."""
    current = current_trouble(channel.source)
    told = News.objects.filter(channel=channel, kind=NewsKind.TROUBLE, over_at__isnull=True)
    known = {news.key.partition("#")[0]: news for news in told}
    now, news = timezone.now(), []
    for subject, (since, words) in current.items():
        if subject not in known:
            key = f"{subject}#{now:%Y-%m-%dT%H:%M}"
            news.append(News(channel=channel, kind=NewsKind.TROUBLE, key=key, words=words, happened_at=since))
    for subject, begun in known.items():
        if subject not in current:
            News.objects.filter(pk=begun.pk).update(over_at=now)
            words = f"It works again: {begun.words}"
            over = News(channel=channel, kind=NewsKind.TROUBLE_OVER, key=begun.key, words=words, happened_at=now)
            news.append(over)
    return news
