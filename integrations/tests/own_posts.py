"""What the tests of writing from here begin with: people who are connected with the sandbox's Launchpad."""

from typing import Any

from django.utils import timezone

from accounts.models import Person, User
from integrations.launchpad.importing import import_source
from integrations.launchpad.refreshing import refresh
from integrations.models import LaunchpadConnection, OwnPost
from integrations.sandbox.data import TEAM
from integrations.sandbox.launchpad import PERSON_TOKEN
from reviews.models import Review, Source

NAME = "marta-k"


def make_user(name: str = NAME) -> User:
    """An account that acts as the person of its name."""
    person, _ = Person.objects.get_or_create(username=name, defaults={"display_name": name.title()})
    return User.objects.create_user(name, person=person)


def connect(user: User) -> LaunchpadConnection:
    """As if they had granted access in the browser."""
    return LaunchpadConnection.objects.create(
        user=user, name=user.username, access="WRITE_PUBLIC", token=PERSON_TOKEN + user.username, secret="s3cret"
    )


def add_proposal(launchpad: Any, *, reviewer: str = NAME) -> str:
    """A proposal by Björn into a branch of the charmers, whom the reviewer is one of. Returns the path."""
    launchpad.add_person("bjorn", "Björn Åkesson")
    launchpad.add_person(reviewer, "Marta K")
    launchpad.add_team(TEAM, "Charmers", [reviewer])
    trunk = launchpad.add_branch(TEAM, "mysql/trunk")
    branch = launchpad.add_branch("bjorn", "mysql/tls")
    return str(launchpad.add_proposal(branch, trunk, registrant="bjorn", created=timezone.now()))


def import_proposal(launchpad: Any) -> Review:
    """The review of a proposal that was added."""
    add_proposal(launchpad)
    import_source(Source.objects.create(name="mysql", kind="project", target="mysql", starts_tests="nobody"))
    review = Review.objects.get()
    assert refresh(review) == ""
    review.refresh_from_db()
    return review


def send_off(user: User, review: Review, **fields: Any) -> OwnPost:
    """A post that waits to be posted, as the form makes it."""
    values = {"revision": review.revision, "launchpad_status": review.launchpad_status, "sent_at": timezone.now()}
    return OwnPost.objects.create(user=user, review=review, state=OwnPost.State.WAITING, **{**values, **fields})


def make_due() -> None:
    """What waits for its next try, or was claimed by a process that died, is due."""
    OwnPost.objects.filter(state__in=[OwnPost.State.WAITING, OwnPost.State.MAYBE]).update(due_at=timezone.now())
    OwnPost.objects.filter(state=OwnPost.State.CLAIMED).update(claimed_until=timezone.now())
