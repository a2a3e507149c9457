"""From the import of a proposal to the outcome of its build, and to the comment on Launchpad, over real HTTP."""

import pytest
from django.utils import timezone

from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from integrations.launchpad.reporting import publish_results
from integrations.sandbox.data import many
from reviews.models import Comment, Review, Source
from testing.models import Status, TestRun
from testing.sweep import sweep

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def run(sandbox, live_server, settings):
    """A proposal's default run; builds call back to a server that really listens."""
    settings.BASE_URL = live_server.url
    launchpad = sandbox.launchpad
    many(launchpad, proposals=1)
    import_source(Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody"))
    return TestRun.objects.get()


def build_of(sandbox):
    return max(sandbox.jenkins.builds)


def told(sandbox, run, *words):
    for word in words:
        assert sandbox.jenkins.call_back(build_of(sandbox), word) == 200
    run.refresh_from_db()
    return run.status


@pytest.mark.django_db(transaction=True)
def test_a_build_calls_back_from_running_to_pass(sandbox, run):
    assert run.status == Status.RETRY
    sweep()
    run.refresh_from_db()
    assert run.status == Status.PENDING
    number = build_of(sandbox)
    sandbox.jenkins.begin(number)
    assert told(sandbox, run, "RUNNING") == Status.RUNNING
    sandbox.jenkins.end(number, "SUCCESS")
    assert told(sandbox, run, "PASS", "PASS") == Status.PASS  # twice does no harm
    sweep()
    assert run.results.count() == 6
    assert Review.objects.get().square == "green"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("result", "status"), [("SUCCESS", "pass"), ("UNSTABLE", "fail"), ("ABORTED", "error")])
def test_a_lost_callback_is_made_good_by_the_sweep(sandbox, run, result, status):
    sweep()
    number = build_of(sandbox)
    sandbox.jenkins.begin(number)
    sandbox.jenkins.end(number, result)  # nobody told us
    TestRun.objects.update(next_attempt_at=timezone.now())
    sweep()
    run.refresh_from_db()
    assert run.status == status


@pytest.mark.django_db(transaction=True)
def test_a_verdict_is_posted_once_on_launchpad(sandbox, run, settings):
    settings.LAUNCHPAD_CREDENTIALS_FILE.write_text(
        "[1]\nconsumer_key = review-queue\nconsumer_secret = \naccess_token = sandbox-token\naccess_secret = s3cret\n"
    )
    settings.LAUNCHPAD_CREDENTIALS_FILE.chmod(0o600)
    settings.TESTING_COMMENTS = True
    sweep()
    sandbox.jenkins.begin(build_of(sandbox))
    sandbox.jenkins.end(build_of(sandbox))
    told(sandbox, run, "PASS")
    sweep()  # collects the single tests
    assert publish_results().posted == 1
    assert publish_results().posted == 0
    refresh(Review.objects.get())
    comment = Comment.objects.get()
    assert (comment.author.username, comment.vote, comment.sentiment) == ("queue-bot", "", "neutral")
    assert comment.is_automated


@pytest.mark.django_db(transaction=True)
def test_recheck_in_a_comment_builds_again_what_failed(sandbox, run):
    sweep()
    told(sandbox, run, "FAIL")
    review = Review.objects.get()
    refresh(review)
    world = sandbox.launchpad
    world.comment(world.path_of(review.api_url), review.owner.username, "The network was down.\n\nrecheck")
    refresh(Review.objects.get())
    refresh(Review.objects.get())
    sweep()
    assert len(sandbox.jenkins.builds) == 2
    assert [run.status for run in TestRun.objects.newest_first()] == [Status.PENDING, Status.FAIL]
