"""Accounts, people, API tokens."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from knox.models import AbstractAuthToken, get_digest_token

HIDDEN_USERNAME = "(hidden)"  # of people whom Launchpad does not name; no account has brackets in its name
REVIEWERS_GROUP = "reviewers"  # the Django group whose members review (docs/specification.md, section 6)
DIRECTION_MARKS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # Unicode's embeddings, overrides and isolates
USE_NOTED_EVERY = timedelta(minutes=1)


class PersonQuerySet(models.QuerySet["Person"]):
    """``Person.objects``."""

    def bots(self) -> PersonQuerySet:
        """People who are marked as bots, or named in ``BOT_ACCOUNTS`` (docs/specification.md, section 3)."""
        return self.filter(Q(is_bot=True) | Q(username__in=bot_usernames()))

    def humans(self) -> PersonQuerySet:
        """Everybody else."""
        return self.exclude(Q(is_bot=True) | Q(username__in=bot_usernames()))

    def named(self) -> PersonQuerySet:
        """Without the one that stands for everybody whom Launchpad does not name."""
        return self.exclude(username=HIDDEN_USERNAME)

    def reviewers(self) -> PersonQuerySet:
        """People in a reviewer team, or with an account in the group ``reviewers``; no bots."""
        accounts = User.objects.filter(person=OuterRef("pk"), is_active=True, groups__name=REVIEWERS_GROUP)
        return self.named().humans().filter(Q(is_reviewer=True) | Exists(accounts))

    def trusted(self) -> PersonQuerySet:
        """People whose code is tested without asking in every source (docs/specification.md, section 5): reviewers, and
        those whom a reviewer trusts. A bot only if somebody says so: that it is in a team is no such word."""
        trusts = Trust.objects.in_force().filter(person=OuterRef("pk"))
        is_named = Q(Exists(trusts), is_team=False)
        return self.named().filter(is_named | Q(pk__in=Person.objects.reviewers().values("pk")))


def bot_usernames() -> set[str]:
    """The names of ``BOT_ACCOUNTS``, as Launchpad spells them: without ``~``, in lower case."""
    return {name.strip().lstrip("~").lower() for name in settings.BOT_ACCOUNTS} - {""}


class Person(models.Model):
    """A Launchpad person or team, or a local account of that name."""

    username = models.CharField(max_length=255, unique=True)
    display_name = models.CharField(max_length=255, blank=True)
    is_team = models.BooleanField(default=False)
    is_reviewer = models.BooleanField(
        default=False, help_text="Member of a reviewer team on Launchpad. Kept in sync by the import."
    )
    is_bot = models.BooleanField(
        "bot", default=False, help_text="A program: what it says is no vote, no review, and nobody's last word."
    )
    url = models.URLField(max_length=500, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True, help_text="When this was last read from Launchpad.")

    objects: ClassVar = PersonQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "people"
        ordering = ["username"]

    def __str__(self) -> str:
        # Without these marks, which would change the direction of what follows the name as well.
        return DIRECTION_MARKS.sub("", self.display_name) or self.username

    @property
    def counts_as_bot(self) -> bool:
        """The same as being in ``Person.objects.bots()``, without a query."""
        return self.is_bot or self.username in bot_usernames()

    @property
    def is_hidden(self) -> bool:
        """Stands for everybody whom Launchpad does not name; has no page."""
        return self.username == HIDDEN_USERNAME


class TeamMembership(models.Model):
    """A person takes part in a team on Launchpad, directly or through another team. Kept in sync by the import."""

    team = models.CharField(max_length=255, help_text="Its name on Launchpad.")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        ordering = ["team", "person"]
        constraints = [models.UniqueConstraint(fields=["team", "person"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.team}"


class TrustQuerySet(models.QuerySet["Trust"]):
    """``Trust.objects``."""

    def in_force(self) -> TrustQuerySet:
        """Those that nobody has revoked."""
        return self.filter(revoked_at__isnull=True)


class Trust(models.Model):
    """A reviewer said that a person's code may be tested without being asked each time.

    A row stays when it is revoked: it is the history of who trusted whom, and until when.
    """

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="trusts")
    granted_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    granted_at = models.DateTimeField(default=timezone.now)
    revoked_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = TrustQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "trusted people"
        ordering = ["-granted_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["person"], condition=Q(revoked_at__isnull=True), name="one_trust_in_force_per_person"
            )
        ]

    def __str__(self) -> str:
        return f"trust in {self.person_id}"

    @property
    def is_in_force(self) -> bool:
        return self.revoked_at is None


class User(AbstractUser):  # type: ignore[django-manager-missing]  # knox, the base of ApiToken, has no types
    """Someone who can log in. Joined to the Launchpad person of the same name."""

    person = models.OneToOneField(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="user")
    queue_view = models.CharField(
        max_length=2000, blank=True, editable=False, help_text="The group and filters of the queue that they left."
    )
    queue_seen_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When they last looked at the queue."
    )
    queue_left_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When they looked at it last before the present visit."
    )

    def as_person(self) -> Person:
        """The person that this account acts as, made on first need. Costs two queries the first time.

        Raises PermissionDenied when another account acts as the person of that name.
        """
        if self.person is None:
            person, _ = Person.objects.select_related("user").get_or_create(
                username=self.username, defaults={"display_name": self.get_full_name()}
            )
            if hasattr(person, "user") and person.user != self:  # joined by another request meanwhile
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
                in_group = self.groups.filter(name=REVIEWERS_GROUP).exists()
            self._is_reviewer = self.is_active and (
                self.is_superuser or bool(self.person and self.person.is_reviewer) or in_group
            )
        return self._is_reviewer


class ApiTokenManager(models.Manager["ApiToken"]):
    """``ApiToken.objects``."""

    def make(self, user: User, name: str, lifetime: timedelta = timedelta(days=90)) -> tuple[ApiToken, str]:
        """Make a token. The second value is what the person sends; it is stored nowhere."""
        digest, text = get_digest_token()
        expiry = timezone.now() + lifetime
        return self.create(user=user, name=name, digest=digest, token_key=text[:8], expiry=expiry), text


class ApiToken(AbstractAuthToken):
    """A token for the REST API. Only its digest is stored; the token itself is shown once, when it is made."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=128, unique=True, editable=False)
    name = models.CharField(max_length=100, help_text="What it is for, as “nightly report”.")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiTokenManager()

    class Meta:
        verbose_name = "API token"
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @property
    def has_ended(self) -> bool:
        return self.expiry is not None and self.expiry <= timezone.now()

    def note_use(self) -> None:
        """Write down that it was used now; at most once a minute, so that reading stays reading."""
        now = timezone.now()
        if self.last_used_at is None or self.last_used_at < now - USE_NOTED_EVERY:
            unnoted = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
            ApiToken.objects.filter(unnoted, pk=self.pk).update(last_used_at=now)
