"""A lock is one person's claim on a review (docs/specification.md, section 2)."""

import pytest

from reviews.locks import LockedByOther, lock, unlock
from reviews.tests.factories import make_person, make_review


@pytest.fixture
def review(db):
    return make_review()


def test_a_lock_has_a_holder_a_time_and_a_line_of_history(review):
    eve = make_person("eve")
    locked = lock(review.pk, eve)
    assert (locked.locked_by, locked.locked_at is not None) == (eve, True)
    assert [(event.new, event.actor) for event in review.events.filter(kind="lock")] == [("eve", eve)]


def test_locking_twice_is_harmless(review):
    eve = make_person("eve")
    first = lock(review.pk, eve).locked_at
    assert lock(review.pk, eve).locked_at == first
    assert review.events.count() == 1


def test_locking_what_somebody_else_holds_raises_with_the_holder(review):
    lock(review.pk, make_person("eve"))
    with pytest.raises(LockedByOther, match="eve is reviewing this"):
        lock(review.pk, make_person("rev"))


def test_only_its_holder_releases_a_lock(review):
    lock(review.pk, make_person("eve"))
    with pytest.raises(LockedByOther):
        unlock(review.pk, make_person("rev"))
    assert unlock(review.pk, make_person("eve")).locked_by is None


def test_staff_release_anothers_lock_and_that_is_written_down(review):
    lock(review.pk, make_person("eve"))
    assert unlock(review.pk, make_person("staff"), force=True).locked_by is None
    event = review.events.order_by("pk").last()
    assert (event.old, event.actor.username, event.note) == ("eve", "staff", "Released.")


def test_releasing_no_lock_is_harmless(review):
    assert unlock(review.pk, make_person("eve")).locked_by is None
    assert not review.events.exists()
