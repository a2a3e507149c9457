"""A long round of refreshes stands in nobody's way, and a plain worker reads every message there is."""

import pytest
from django.utils import timezone

from accounts.models import Person
from core.enqueue import circuit, enqueue_now
from integrations.launchpad import refreshing
from integrations.tasks import refresh_active, refresh_review
from reviewqueue.celery import app
from reviews.models import Review
from testing.tasks import sweep_test_runs

REFRESHES = 50


@pytest.fixture
def broker(monkeypatch):
    """A broker in memory, where the tasks' messages go."""
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # Celery believes it before its own configuration
    before = app.conf.broker_url, app.conf.broker_transport, app.conf.broker_transport_options
    app.conf.broker_url, app.conf.broker_transport, app.conf.broker_transport_options = "memory://", None, {}
    circuit.reset()
    with app.connection_for_read() as connection:
        for queue in app.amqp.queues.values():  # all connections in memory are one broker
            queue(connection.default_channel).declare()
            queue(connection.default_channel).purge()
        yield connection
    app.conf.broker_url, app.conf.broker_transport, app.conf.broker_transport_options = before


def taken_by_a_worker(broker, count):
    """The names of the tasks in the order in which a worker that was told no queue takes them."""
    names = []

    def take(body, message):
        names.append(message.headers["task"])
        message.ack()

    with app.amqp.TaskConsumer(broker.default_channel, callbacks=[take]):
        while len(names) < count:
            broker.drain_events(timeout=20)
    return names


def due_reviews(count, state="pending"):
    owner, now = Person.objects.get_or_create(username="ada")[0], timezone.now()
    return Review.objects.bulk_create(
        Review(
            title="mysql", kind="update", state=state, url="https://lp/", api_url=f"https://api/{state}/{number}",
            owner=owner, created_at=now, updated_at=now,
        )
        for number in range(count)
    )  # fmt: skip


def test_an_open_item_does_not_wait_for_a_long_past(broker, db, monkeypatch):
    monkeypatch.setattr(refreshing, "MAX_CLAIMED", 3)
    due_reviews(5, "merged")
    due_reviews(2)
    refresh_active()
    claimed = Review.objects.filter(due_at__gt=timezone.now())
    assert sorted(claimed.values_list("state", flat=True)) == ["merged", "pending", "pending"]


def test_a_sweep_does_not_wait_for_all_refreshes(broker, db):
    due_reviews(REFRESHES)
    refresh_active()
    enqueue_now(refresh_review.name, [(Review.objects.earliest("pk").pk,)])  # as a webhook asks for it
    enqueue_now(sweep_test_runs.name, [()])
    names = taken_by_a_worker(broker, REFRESHES + 2)
    assert names.count(refresh_review.name) == REFRESHES + 1
    assert names.index(sweep_test_runs.name) < 6
