"""Whose branches are tested, as far as their addresses say it; what a source that asks took for trusted is asked again.

A trusted person may have submitted the branch of somebody else: such an item waits until its next refresh has said whose
it is. Where everybody's code is tested nothing changes.
"""

import re

from django.db import migrations
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

OPEN_STATES = ["new", "pending", "reviewed", "in-progress", "follow-up", "ready"]
PROPOSED = re.compile(r"/~([^/]+)/.*/\+merge/[0-9]+$")
PLACE = re.compile(r"^(?:lp:)?~([^/]+)/")
CHUNK = 500


def find_owners(review):
    """The names of whose branch it is, and whose the prerequisite is; empty where its addresses do not say it."""
    proposed = PROPOSED.search(review.api_url) or PLACE.search(review.test_url)
    before = PLACE.search(review.prerequisite or review.prerequisite_url)
    return (proposed.group(1)[:255] if proposed else "", before.group(1)[:255] if before else "")


def keep_owners(apps, schema_editor):
    people = apps.get_model("accounts", "Person").objects
    reviews = apps.get_model("reviews", "Review").objects
    keys = list(reviews.filter(state__in=OPEN_STATES).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), CHUNK):
        some = reviews.filter(pk__in=keys[start : start + CHUNK])
        owners = {
            review: find_owners(review)
            for review in some.only("api_url", "test_url", "prerequisite", "prerequisite_url")
        }
        names = {name for pair in owners.values() for name in pair if name}
        people.bulk_create([people.model(username=name) for name in sorted(names)], ignore_conflicts=True)
        known = dict(people.filter(username__in=names).order_by().values_list("username", "pk"))
        for review, (owner, before) in owners.items():
            review.code_owner_id, review.prerequisite_owner_id = known.get(owner), known.get(before)
        reviews.bulk_update(owners, ["code_owner", "prerequisite_owner"])


def ask_again(apps, schema_editor):
    allowed = apps.get_model("reviews", "AllowedRevision").objects
    has_prerequisite = ~Q(prerequisite="") | ~Q(prerequisite_url="")
    own = Q(code_owner=F("owner")) & (~has_prerequisite | Q(prerequisite_owner=F("owner")))
    held = (
        apps.get_model("reviews", "Review")
        .objects.filter(Q(source=None) | Q(source__starts_tests="trusted"), state__in=OPEN_STATES, trusted=True)
        .exclude(Exists(allowed.filter(review=OuterRef("pk"), revision=OuterRef("revision"))))
        .filter(~own | Q(code_owner=None))
    )
    keys = list(held.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), CHUNK):
        apps.get_model("reviews", "Review").objects.filter(pk__in=keys[start : start + CHUNK]).update(
            trusted=False, tests_wait_for="permission", due_at=timezone.now()
        )


class Migration(migrations.Migration):
    dependencies = [("reviews", "0017_code_owner")]

    operations = [
        migrations.RunPython(keep_owners, migrations.RunPython.noop),
        migrations.RunPython(ask_again, migrations.RunPython.noop),
    ]
