"""Background tasks that wake one another."""

import pytest

from integrations.sandbox.data import many
from integrations.tasks import import_from_launchpad
from reviewqueue.celery import app
from reviews.models import Comment, Review, Source

pytestmark = pytest.mark.django_db


@pytest.fixture
def eager():
    """What is enqueued is done at once."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def test_comments_and_conflicts_of_what_is_new_are_read_at_once(sandbox, eager, django_capture_on_commit_callbacks):
    many(sandbox.launchpad, proposals=1)
    [path] = sandbox.launchpad.proposals
    sandbox.launchpad.push(path, conflicts="Text conflict in hooks/install")
    sandbox.launchpad.comment(path, "person-1", "LGTM")
    source = Source.objects.create(name="many", kind="project", target="many")
    with django_capture_on_commit_callbacks(execute=True):
        import_from_launchpad(source.pk)
    assert Review.objects.get().conflicts is True
    assert Comment.objects.get().author.username == "person-1"
