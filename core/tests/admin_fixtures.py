"""What the tests of every room's admin need: staff, something to act on, actions pressed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import Person, User
from reviews.models import Review
from testing.models import Substrate, TestRun


@pytest.fixture
def staff(client: Client, db: None) -> User:
    """A superuser, who is logged in."""
    user = User.objects.create_superuser("boss")
    client.force_login(user)
    return user


@pytest.fixture
def item(db: None) -> Review:
    """A review that was not tested yet."""
    now = timezone.now()
    return Review.objects.create(
        title="<b>mysql</b>", kind="update", state="pending", url="https://lp/1", api_url="https://api/1",
        owner=Person.objects.create(username="ada"), created_at=now, updated_at=now, revision="1", trusted=True,
    )  # fmt: skip


@pytest.fixture
def waiting_run(item: Review) -> TestRun:
    """A run of the item that waits to be sent."""
    return TestRun.objects.create(review=item, substrate=Substrate.objects.get(name="lxc"), revision="1")


@pytest.fixture
def clerk(client: Client, db: None) -> Callable[..., User]:
    """Log in as a member of staff who has these permissions only."""

    def log_in(*permissions: str) -> User:
        user = User.objects.create_user("clerk", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
        return user

    return log_in


@pytest.fixture
def choose(client: Client) -> Callable[..., str]:
    """Choose an action for rows of a list; the page that follows. More is sent along, ``post="yes"`` confirms."""

    def send(model: str, action: str, *rows: Any, **more: Any) -> str:
        data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
        return client.post(f"/admin/{model}/", data, follow=True).content.decode()

    return send
