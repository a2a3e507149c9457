"""``manage.py publish_results``, and what staff see before something is posted."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from launchpadlib.credentials import AccessToken, Credentials

from integrations.launchpad.credentials import save
from integrations.launchpad.importing import import_source
from integrations.models import VerdictPost
from integrations.sandbox.data import many
from integrations.sandbox.serving import Fault
from reviews.models import Review, Source
from testing.models import TestRun
from testing.verdicts import update_verdicts


@pytest.fixture
def failed(sandbox, settings, db):
    """Two proposals of the sandbox whose tests failed, with credentials to say so."""
    settings.TESTING_COMMENTS = True
    credentials = Credentials("review-queue")
    credentials.access_token = AccessToken("sandbox-token", "s3cret")
    save(credentials, settings.LAUNCHPAD_CREDENTIALS_FILE)
    many(sandbox.launchpad, proposals=2)
    import_source(Source.objects.create(name="many", kind="project", target="many", starts_tests="everybody"))
    TestRun.objects.update(status="fail", finished_at=timezone.now(), next_attempt_at=None)
    update_verdicts(set(TestRun.objects.values_list("review_id", flat=True)))
    return list(Review.objects.order_by("pk"))


def run(*arguments):
    said = StringIO()
    call_command("publish_results", *arguments, stdout=said)
    return said.getvalue()


def test_it_posts_and_says_how_many(failed):
    assert run() == "2 verdicts posted.\n"


def test_it_says_when_there_is_nothing_to_post(db):
    assert run() == "No verdict waits to be posted.\n"


def test_it_fails_and_says_why(failed, sandbox):
    sandbox.launchpad.faults = [Fault(status=503, path="merge/[0-9]+$")]
    with pytest.raises(CommandError):
        run()


def test_a_dry_run_shows_the_comments(failed):
    said = run("--dry-run")
    assert "Vote: Needs Fixing" in said
    assert "Tests failed on" in said
    assert said.endswith("2 verdicts would be posted. Nothing was.\n")


def test_a_dry_run_posts_nothing(failed, sandbox):
    run("--dry-run")
    assert sandbox.launchpad.posts == []
    assert not VerdictPost.objects.exists()


def show(client, review):
    data = {"action": "show_post", "_selected_action": [review.pk]}
    return client.post("/admin/reviews/review/", data).content.decode()


def test_staff_see_what_would_be_posted(client, staff, failed):
    page = show(client, failed[0])
    assert "Vote: Needs Fixing" in page
    assert "Tests failed on" in page


def test_staff_see_that_it_was_posted(client, staff, failed):
    run()
    assert "It was posted on" in show(client, failed[0])


def test_staff_see_why_nothing_is_posted(client, staff, failed, settings):
    settings.TESTING_COMMENTS = False
    assert "Its source does not post verdicts." in show(client, failed[0])


def test_staff_see_that_there_is_no_verdict_yet(client, staff, failed):
    Review.objects.update(verdict="")
    assert "There is no verdict" in show(client, failed[0])


@pytest.fixture
def refused(failed, sandbox):
    """Launchpad refuses a comment, in its words."""
    sandbox.launchpad.faults = [Fault(status=400, path="merge/[0-9]+$")]
    with pytest.raises(CommandError):
        run()
    sandbox.launchpad.faults = []
    return VerdictPost.objects.order_by("pk").first()


def test_staff_can_have_a_refused_one_posted_again(client, staff, failed, refused):
    VerdictPost.objects.update(state="refused")
    data = {"action": "post_again", "_selected_action": [refused.pk]}
    client.post("/admin/integrations/verdictpost/", data, follow=True)
    refused.refresh_from_db()
    assert (refused.state, refused.due_at <= timezone.now()) == ("waiting", True)
