"""Accounts and people."""

from __future__ import annotations

import re

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import models

TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # Unicode's embeddings, overrides and isolates


class Person(models.Model):
    """A Launchpad person or team, or a local account of that name."""

    username = models.CharField(max_length=255, unique=True)
    display_name = models.CharField(max_length=255, blank=True)
    is_team = models.BooleanField(default=False)
    is_reviewer = models.BooleanField(
        default=False, help_text="Member of a reviewer team on Launchpad. Kept in sync by the import."
    )
    url = models.URLField(max_length=500, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True, help_text="When Launchpad last told us about them.")

    class Meta:
        verbose_name_plural = "people"
        ordering = ["username"]

    def __str__(self) -> str:
        # Marks that turn the direction of text would turn what stands behind the name as well.
        return TURNING.sub("", self.display_name) or self.username


class User(AbstractUser):
    """Someone who can log in. Joined to the Launchpad person of the same name."""

    person = models.OneToOneField(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="user")

    def as_person(self) -> Person:
        """The person that this account acts as, made on first need. Costs two queries the first time.

        Raises PermissionDenied when another account acts as the person of that name.
        """
        if self.person is None:
            person, _ = Person.objects.select_related("user").get_or_create(
                username=self.username, defaults={"display_name": self.get_full_name()}
            )
            if hasattr(person, "user") and person.user != self:  # an older copy of this account knows less
                raise PermissionDenied(
                    f"Another account acts as the person “{person.username}”. Ask staff to choose a person for yours."
                )
            self.person = person
            self.save(update_fields=["person"])
        return self.person

    @property
    def is_reviewer(self) -> bool:
        """May lock and launch tests: in a reviewer team or the group ``reviewers``, or superuser.

        Free for the user of a request (``accounts.backends`` fetches what it needs); else 1-2 queries.
        """
        if not hasattr(self, "_is_reviewer"):
            in_group: bool | None = getattr(self, "in_reviewers", None)
            if in_group is None:
                in_group = self.groups.filter(name="reviewers").exists()
            self._is_reviewer = self.is_active and (
                self.is_superuser or bool(self.person and self.person.is_reviewer) or in_group
            )
        return self._is_reviewer
