"""Verdicts and marks of the reviews that were tested before they were kept."""

from collections import defaultdict

from django.db import migrations
from django.db.models import F

UNFINISHED = ("retry", "pending", "running")


def fill(apps, schema_editor):
    review_model, run_model = apps.get_model("reviews", "Review"), apps.get_model("testing", "TestRun")
    runs = run_model.objects.filter(revision=F("review__revision")).exclude(status="canceled")
    rows = runs.order_by("review_id", "substrate__order", "substrate__name", "pk")
    newest = defaultdict(dict)
    for review_id, substrate, status in rows.values_list("review_id", "substrate__name", "status").iterator():
        newest[review_id][substrate] = "running" if status in UNFINISHED else status
    reviews_of = defaultdict(list)
    for review_id, statuses in newest.items():
        reviews_of[tuple(statuses.items())].append(review_id)
    for marks, ids in reviews_of.items():
        statuses = {status for _, status in marks}
        verdict = "" if "running" in statuses else next(one for one in ("fail", "error", "pass") if one in statuses)
        kept = [[substrate, status, True] for substrate, status in marks]
        for start in range(0, len(ids), 500):
            review_model.objects.filter(pk__in=ids[start : start + 500]).update(verdict=verdict, marks=kept)


class Migration(migrations.Migration):
    dependencies = [("testing", "0004_jobs_trust_merges"), ("reviews", "0008_jobs_trust_merges")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
