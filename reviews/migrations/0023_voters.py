"""Whose the votes of open items are is read out of their comments; of others it is known when they are read again."""

from django.db import migrations, models

OPEN = ("new", "pending", "reviewed", "in-progress", "follow-up", "ready")
SIGNS = {"positive": "+1", "negative": "−1"}
MOST = 20


def fill(apps, schema_editor):
    voted = apps.get_model("reviews", "Review").objects.filter(state__in=OPEN)
    voted = voted.exclude(positive_votes=0, negative_votes=0)
    for review in voted.only("owner_id").iterator(chunk_size=500):
        said = review.comments.filter(is_description=False, is_automated=False, author__is_bot=False)
        latest = {}
        for comment in said.exclude(vote="", sentiment="neutral").select_related("author").order_by("position", "id"):
            latest.pop(comment.author_id, None)
            latest[comment.author_id] = (comment.author.display_name or comment.author.username, comment.sentiment)
        voters = [[name, SIGNS[meaning]] for name, meaning in latest.values() if meaning in SIGNS]
        type(review).objects.filter(pk=review.pk).update(voters=voters[-MOST:])


class Migration(migrations.Migration):
    dependencies = [("reviews", "0022_visit_previous_diff")]
    operations = [
        migrations.AddField(
            model_name="review",
            name="voters",
            field=models.JSONField(
                blank=True, default=list, editable=False,
                help_text="Who votes how, newest last: name, and +1 or −1; at most 20.",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
