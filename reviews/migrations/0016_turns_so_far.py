"""Since when it was whose turn is not known of what is there already: its last activity is the best that is known."""

from django.db import migrations
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    apps.get_model("reviews", "Review").objects.update(turn_since=Coalesce("closed_at", "updated_at"))


class Migration(migrations.Migration):
    dependencies = [("reviews", "0015_turns")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
