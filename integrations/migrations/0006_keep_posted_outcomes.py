"""Verdicts are posted, one comment for all runs of a revision, and no longer each outcome alone."""

from collections import defaultdict

from django.db import migrations

VOTES = {"pass": "Approve", "fail": "Needs Fixing"}  # of outcomes that were posted one by one


def keep_posted(apps, schema_editor):
    """What was posted of a revision counts as its verdict, so that nothing of it is posted again."""
    outcome_model, verdict_model = (apps.get_model("integrations", name) for name in ("OutcomePost", "VerdictPost"))
    posted = outcome_model.objects.filter(state="posted").order_by("posted_at", "pk")
    of_revision = defaultdict(list)
    rows = posted.values_list("run__review_id", "run__revision", "run__substrate_id", "outcome", "posted_at")
    for review_id, revision, *post in rows.iterator():
        of_revision[review_id, revision].append(post)
    made = []
    for (review_id, revision), posts in of_revision.items():
        newest = {substrate: outcome for substrate, outcome, _ in posts}
        verdict = next(outcome for outcome in ("fail", "error", "pass") if outcome in newest.values())
        _, last_outcome, last_at = posts[-1]
        made.append(
            verdict_model(
                review_id=review_id, revision=revision, number=1, verdict=verdict, vote=VOTES.get(last_outcome, ""),
                state="posted", created_at=last_at, due_at=last_at, posted_at=last_at, tries=1,
            )
        )  # fmt: skip
    verdict_model.objects.bulk_create(sorted(made, key=lambda post: post.posted_at), batch_size=500)


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0005_verdict_posts"),
        ("testing", "0005_verdicts"),
    ]

    operations = [
        migrations.RunPython(keep_posted, migrations.RunPython.noop),
        migrations.DeleteModel(name="OutcomePost"),
    ]
