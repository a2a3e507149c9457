"""Celery tasks of the integrations. Each loads, calls one function, and may run twice without harm."""

from celery import shared_task

from core.enqueue import enqueue_now, enqueue_on_commit
from integrations.launchpad import diffs, importing, own_posts, refreshing, reporting, status_reports
from reviews.models import Source
from reviews.withdrawal import settle_withdrawn

MAX_ENQUEUE_SECONDS = 60.0  # for hundreds of refreshes; nobody waits for this task


@shared_task(name="integrations.tasks.import_from_launchpad")
def import_from_launchpad(source_id: int | None = None) -> None:
    """Import every active source, or one."""
    settle_withdrawn()
    sources = Source.objects.filter(pk=source_id) if source_id else Source.objects.active()
    added = sum(importing.import_source(source).added for source in sources)
    if added:  # their comments, and what their diffs conflict with, are not known yet
        enqueue_on_commit(refresh_active.name)


@shared_task(name="integrations.tasks.refresh_active")
def refresh_active() -> None:
    """Enqueue a refresh of each review that is due. Claimed for a while, so that none is enqueued twice."""
    calls = [tuple(claimed) for claimed in refreshing.claim_due()]
    if calls:
        enqueue_now(refresh_review.name, calls, queue="refreshes", wait_seconds=MAX_ENQUEUE_SECONDS)


@shared_task(name="integrations.tasks.refresh_review")
def refresh_review(review_id: int, claim: str = "", just_imported: bool = False) -> None:
    """Bring one review up to date, comments included."""
    refreshing.refresh_by_id(review_id, claim, just_imported)


@shared_task(name="integrations.tasks.import_item")
def import_item(source_id: int, path: str) -> None:
    """Import the one item at a path below Launchpad's service root, if it belongs to the source."""
    source = Source.objects.filter(pk=source_id).first()
    if source:
        importing.import_item(source, path)


@shared_task(name="integrations.tasks.fetch_diff")
def fetch_diff(diff_id: int) -> None:
    """Fetch the text of a diff that somebody wants to read."""
    diffs.fetch_diff(diff_id)


@shared_task(name="integrations.tasks.publish_own_posts")
def publish_own_posts() -> None:
    """Post what people sent off in their own name."""
    own_posts.publish_own_posts()


@shared_task(name="integrations.tasks.publish_results")
def publish_results() -> None:
    """Post what people sent off and the verdicts that were not posted yet, and bring the status reports up to date."""
    own_posts.publish_own_posts()
    reporting.publish_results()
    status_reports.send_reports()
