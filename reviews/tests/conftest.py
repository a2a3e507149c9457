"""Who looks at the pages in this room's tests."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from reviews.tests.factories import make_person


@pytest.fixture
def reviewer(db: None, client: Client) -> User:
    """A member of the group of reviewers, with a person, logged in."""
    user = User.objects.create_user("rev", person=make_person("rev"))
    user.groups.add(Group.objects.get_or_create(name="reviewers")[0])
    client.force_login(user)
    return user


@pytest.fixture
def boss(db: None, client: Client) -> User:
    """Somebody of the staff, logged in."""
    user = User.objects.create_user("boss", is_staff=True)
    client.force_login(user)
    return user
