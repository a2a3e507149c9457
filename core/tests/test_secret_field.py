"""Secrets in the database: encrypted, and readable with the newest key or an older one."""

import pytest
from django.db import connection

from core.secret_field import Undecryptable
from reviewqueue.operations.pruning import prune
from reviews.models import Source

pytestmark = pytest.mark.django_db
OLD_KEY, NEW_KEY = "the-old-key-of-this-queue-" + "x" * 40, "the-new-key-of-this-queue-" + "y" * 40


def stored(source):
    with connection.cursor() as cursor:
        cursor.execute("SELECT webhook_secret FROM reviews_source WHERE id = %s", [source.pk])
        return cursor.fetchone()[0]


@pytest.fixture
def source(settings):
    settings.SECRET_KEY = OLD_KEY
    source = Source.objects.get(name="charms")
    source.webhook_secret = "hunter2-hunter2"
    source.save()
    return source


def test_a_secret_is_not_in_the_database_as_it_is(source):
    assert "hunter2" not in stored(source)


def test_a_secret_is_read_with_a_fallback_key(source, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW_KEY, [OLD_KEY]
    assert Source.objects.get(pk=source.pk).webhook_secret == "hunter2-hunter2"


def test_a_secret_that_no_key_reads_is_none(source, settings):
    settings.SECRET_KEY = NEW_KEY
    secret = Source.objects.get(pk=source.pk).webhook_secret
    assert (bool(secret), str(secret), isinstance(secret, Undecryptable)) == (False, "", True)
    assert stored(source) not in repr(secret)


def test_saving_a_row_keeps_a_secret_that_no_key_reads(source, settings):
    before = stored(source)
    settings.SECRET_KEY = NEW_KEY
    Source.objects.get(pk=source.pk).save()
    assert stored(source) == before


def test_an_empty_secret_is_null(source):
    source.webhook_secret = ""
    source.save()
    assert stored(source) is None
    assert Source.objects.get(pk=source.pk).webhook_secret == ""


def test_the_nightly_pruning_encrypts_with_the_newest_key(source, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW_KEY, [OLD_KEY]
    prune(days=365)
    settings.SECRET_KEY_FALLBACKS = []
    assert Source.objects.get(pk=source.pk).webhook_secret == "hunter2-hunter2"
