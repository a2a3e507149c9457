"""What the stats page counts, and that it counts it once."""

from datetime import UTC, datetime, timedelta

import pytest

from reviews.models import QueueSample
from reviews.stats import sample_queue

pytestmark = pytest.mark.django_db


def test_the_queue_is_sampled_once_per_hour():
    noon = datetime(2026, 3, 1, 12, 40, tzinfo=UTC)
    assert sample_queue(noon)
    assert not sample_queue(noon + timedelta(minutes=19))
    assert sample_queue(noon + timedelta(minutes=20))
    assert QueueSample.objects.values("at").distinct().count() == 2
    assert QueueSample.objects.filter(at__minute=0).count() == 12
