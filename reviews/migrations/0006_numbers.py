"""Reviews and comments get the numbers by which Launchpad knows them, out of the addresses that they have.

Where one item became two reviews, as after a rename, the one that was read last keeps the number; the other one is known
by its address until it is read again, and leaves the queue then.
"""

import re

from django.db import migrations
from django.db.models import F

PROPOSAL = re.compile(r"/\+merge/([0-9]{1,18})$")
TASK = re.compile(r"^[^/]+//[^/]+/[^/]+/(.+)/\+bug/([0-9]{1,18})$")
COMMENT = re.compile(r"/comments/([0-9]{1,18})$")
CHUNK = 1000


def identity(review):
    """Number and target, or nothing for an address that is none of Launchpad's."""
    if review.kind == "update":
        found = PROPOSAL.search(review.api_url)
        return (int(found.group(1)), "") if found else None
    found = TASK.search(review.api_url)
    return (int(found.group(2)), found.group(1)[:500]) if found else None


def number_reviews(apps, schema_editor):
    reviews = apps.get_model("reviews", "Review").objects
    taken, changed = set(), []
    newest_first = reviews.filter(number=None).order_by(F("synced_at").desc(nulls_last=True), "-pk")
    for review in newest_first.only("kind", "api_url").iterator(chunk_size=CHUNK):
        found = identity(review)
        if found is None or (review.kind, found) in taken:
            continue
        taken.add((review.kind, found))
        review.number, review.bug_target = found
        changed.append(review)
    reviews.bulk_update(changed, ["number", "bug_target"], batch_size=CHUNK)


def number_comments(apps, schema_editor):
    comments = apps.get_model("reviews", "Comment").objects
    taken, changed = set(), []
    newest_first = comments.filter(number=None).order_by("review_id", "-pk")
    for comment in newest_first.only("review_id", "api_url").iterator(chunk_size=CHUNK):
        found = COMMENT.search(comment.api_url)
        if found is None or (comment.review_id, int(found.group(1))) in taken:
            continue
        comment.number = int(found.group(1))
        taken.add((comment.review_id, comment.number))
        changed.append(comment)
    comments.bulk_update(changed, ["number"], batch_size=CHUNK)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0005_identity_private_missing")]
    operations = [
        migrations.RunPython(number_reviews, migrations.RunPython.noop),
        migrations.RunPython(number_comments, migrations.RunPython.noop),
    ]
