"""What is open was tested without anybody being asked so far: the rule says so of each at its next refresh as well."""

from django.db import migrations

OPEN_STATES = ["new", "pending", "reviewed", "in-progress", "follow-up", "ready"]


def trust_open_items(apps, schema_editor):
    reviews = apps.get_model("reviews", "Review").objects
    reviews.filter(state__in=OPEN_STATES, source__starts_tests="everybody").update(trusted=True)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0009_diff_url")]

    operations = [migrations.RunPython(trust_open_items, migrations.RunPython.noop)]
