"""Private items, and those of a source that is switched off, leave the queue and come back (sections 3 and 4)."""

import pytest
from django.utils import timezone

from accounts.models import Person, User
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import claim_due, refresh
from integrations.tasks import import_from_launchpad
from reviews.models import Review, Source


@pytest.fixture
def review(launchpad, project):
    import_source(project(launchpad.proposal(1)))
    Review.objects.update(locked_by=Person.objects.create(username="eve"), locked_at=timezone.now())
    return Review.objects.get()


def private_bug(launchpad, **fields):
    task = launchpad.bug(1)
    launchpad.put("bugs/1", {**launchpad.entry("bugs/1"), **fields})
    return task


def test_a_private_proposal_is_not_imported_and_counted(launchpad, project):
    report = import_source(project(launchpad.proposal(1, private=True), launchpad.proposal(2)))
    assert (report.added, report.private, report.problems) == (1, 1, [])
    assert Review.objects.get().number == 2


@pytest.mark.parametrize(
    "fields",
    [{"private": True}, {"private": "yes"}, {"information_type": "Private Security"}, {"information_type": "X"}],
)
def test_a_private_bug_is_not_imported_and_counted(launchpad, bugs, fields):
    report = import_source(bugs(private_bug(launchpad, **fields)))
    assert (report.added, report.private, report.problems) == (0, 1, [])


def test_a_bug_that_is_private_still_is_counted_by_each_import(launchpad, bugs):
    import_source(bugs(launchpad.bug(1)))
    for _ in range(2):
        report = import_source(bugs(private_bug(launchpad, private=True)))
    assert (report.private, Review.objects.get().private) == (1, True)


@pytest.mark.parametrize("kind", ["Public", "Public Security"])
def test_a_public_bug_is_imported(launchpad, bugs, kind):
    assert import_source(bugs(private_bug(launchpad, private=False, information_type=kind))).added == 1


def test_a_bug_with_a_private_branch_is_not_imported(launchpad, bugs):
    task = launchpad.bug(1)
    path = "~bob/charms/trusty/new-1/trunk"
    launchpad.put(path, {**launchpad.entry(path), "private": True})
    report = import_source(bugs(task))
    assert (report.added, report.private) == (0, 1)


@pytest.mark.parametrize("seen_by", ["refresh", "import"])
def test_an_item_that_becomes_private_vanishes(client, launchpad, project, review, seen_by):
    entry = launchpad.proposal(1, private=True)
    if seen_by == "import":
        import_source(project(entry))
    else:
        assert refresh(review) == ""
    review.refresh_from_db()
    assert (review.private, review.state, review.locked_by) == (True, "pending", None)
    assert review.test_runs.get().status == "canceled"
    assert client.get(review.get_absolute_url()).status_code == 404
    staff = User.objects.create_superuser("root", "", "x")
    client.force_login(staff)
    assert client.get(review.get_absolute_url()).status_code == 404


def test_what_is_said_in_private_is_not_read(launchpad, review):
    launchpad.proposal(1, "Approved", private=True)
    refresh(review)
    assert not [asked for asked in launchpad.asked if asked["path"].endswith("/all_comments")]
    review.refresh_from_db()
    assert review.launchpad_status == "Needs review"


@pytest.mark.parametrize("seen_by", ["refresh", "import"])
def test_an_item_that_is_public_again_comes_back_with_its_history(launchpad, project, review, seen_by):
    launchpad.proposal(1, private=True)
    refresh(review)
    for path in ("~ada/charms/trusty/mysql/fix-1", "~charmers/charms/trusty/mysql/trunk"):
        launchpad.put(path, {"private": False})
    entry = launchpad.proposal(1)
    if seen_by == "import":
        import_source(project(entry))
    else:
        refresh(Review.objects.get())
    review.refresh_from_db()
    assert (review.private, review.withdrawn_at) == (False, None)
    assert sorted(run.status for run in review.test_runs.all()) == ["canceled", "retry"]
    assert review.events.filter(kind="imported").count() == 1


def test_a_source_may_take_private_items_for_reviewers(client, launchpad, project):
    source = project(launchpad.proposal(1, private=True))
    source.private_items = Source.PrivateItems.REVIEWERS
    source.save()
    report = import_source(source)
    review = Review.objects.get()
    assert (report.added, report.private, review.private) == (1, 0, True)
    assert review.test_runs.get().status == "retry"
    assert client.get(review.get_absolute_url()).status_code == 404
    client.force_login(User.objects.create_superuser("root", "", "x"))
    assert client.get(review.get_absolute_url()).status_code == 200


def test_a_source_that_takes_private_items_no_more_withdraws_them(launchpad, project):
    source = project(launchpad.proposal(1, private=True))
    source.private_items = Source.PrivateItems.REVIEWERS
    source.save()
    import_source(source)
    source.private_items = Source.PrivateItems.NO
    source.save()
    assert Review.objects.get().test_runs.get().status == "canceled"


def test_a_source_that_is_switched_off_takes_its_items_out_and_stops_their_runs(client, review):
    review.source.active = False
    review.source.save()
    assert review.test_runs.get().status == "canceled"
    assert review.title not in client.get("/").content.decode()
    assert client.get(review.get_absolute_url()).status_code == 200  # findable
    Review.objects.update(due_at=timezone.now())
    assert claim_due() == []


def test_a_source_that_is_switched_on_again_brings_them_back(client, review):
    source = review.source
    for active in (False, True):
        source.active = active
        source.save()
    assert review.title in client.get("/").content.decode()
    assert sorted(run.status for run in review.test_runs.all()) == ["canceled", "retry"]


def test_a_source_switched_off_behind_our_back_is_noticed_by_the_next_import(review):
    Source.objects.update(active=False)
    import_from_launchpad()
    assert review.test_runs.get().status == "canceled"


def test_an_active_source_that_holds_an_item_too_takes_it_over(launchpad, review):
    other = Source.objects.create(name="other", kind="project", target="other")
    review.source.active = False
    review.source.save()
    launchpad.collection("other", [launchpad.proposal(1, "Approved")])
    import_source(other)
    review.refresh_from_db()
    assert (review.source, review.withdrawn_at, review.state) == (other, None, "ready")


@pytest.mark.parametrize("count", [1, 3])
def test_a_proposal_out_of_a_private_branch_is_not_imported(launchpad, project, count):
    """Alone, and among others."""
    entries = [launchpad.proposal(number) for number in range(1, count + 1)]
    private = "~ada/charms/trusty/mysql/fix-1"
    paths = [f"~ada/charms/trusty/mysql/fix-{number}" for number in range(1, count + 1)]
    branches = {f"lp:{path}": {"last_scanned_id": f"tip of {path}", "private": path == private} for path in paths}
    launchpad.put("branches", branches)
    report = import_source(project(*entries))
    assert (report.added, report.private) == (count - 1, 1)


def test_a_proposal_out_of_a_private_repository_is_not_imported_again_and_again(launchpad, project):
    repository = "~ada/thing/+git/thing"
    entry = launchpad.proposal(
        1, source_branch_link=None, source_git_repository_link=launchpad.root + repository,
        source_git_path="refs/heads/topic", target_branch_link=None,
    )  # fmt: skip
    launchpad.put(repository, {"git_https_url": "https://git.launchpad.net/thing", "private": True})
    for _ in range(2):
        report = import_source(project(entry))
        assert (report.added, report.private, report.problems) == (0, 1, [])
    launchpad.put(repository, {"git_https_url": "https://git.launchpad.net/thing", "private": False})
    assert import_source(project(entry)).added == 1
