"""Nothing is tested that nobody needs (docs/specification.md, sections 3 to 5)."""

import pytest

from reviews.models import Review, Source
from testing.models import Status, Substrate
from testing.runs import NotAllowed, launch_default_runs, launch_runs
from testing.sweep import sweep

SOURCE_OFF = "The source charmers is switched off."
PRIVATE = "The item is private on Launchpad."


def change(name):
    if name == "source off":
        Source.objects.update(active=False)
    elif name == "private":
        Review.objects.update(private=True)
    elif name == "merged":
        Review.objects.update(state="merged")
    else:
        Review.objects.update(revision="rev-2")


CHANGES = [
    ("source off", SOURCE_OFF), ("private", PRIVATE), ("merged", "The item is MERGED."),
    ("revision", "A newer revision is proposed."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "note"), CHANGES)
def test_unfinished_runs_are_cancelled_and_say_why(review, name, note):
    Source.objects.update(active=True)
    change(name)
    sweep()
    assert (review.test_runs.get().status, review.test_runs.get().error) == (Status.CANCELED, note)


@pytest.mark.parametrize("name", ["source off", "private", "merged"])
def test_nothing_is_launched_either(review, name):
    Source.objects.update(active=True)
    review.test_runs.all().delete()
    change(name)
    assert launch_default_runs([review]) == []
    with pytest.raises(NotAllowed, match="othing is tested"):
        launch_runs(review, Substrate.objects.filter(name="lxc"), None)


def test_private_items_of_a_source_that_lets_them_in_are_tested(review):
    Source.objects.update(active=True, private_items="reviewers")
    Review.objects.update(private=True)
    sweep()
    assert review.test_runs.get().status == Status.RETRY


def test_a_build_of_a_source_that_is_switched_off_is_stopped(build):
    build.jenkins.begin(1)
    Source.objects.update(active=False)
    build.sweep()
    assert build.jenkins.builds[1].result == "ABORTED"
