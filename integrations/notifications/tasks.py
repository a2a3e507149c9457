"""The Celery task that tells people and channels what happened. It may run twice without harm."""

from celery import shared_task

from integrations.notifications.find import find_news
from integrations.notifications.gather import gather_news
from integrations.notifications.send import send_due


@shared_task(name="integrations.notifications.tasks.send_notifications")
def send_notifications() -> None:
    """Find what happened, make messages of it, and send those that are due."""
    find_news()
    gather_news()
    send_due()
