"""The two classic sources, and the group whose members are reviewers.

The sources of a fresh install are switched off: nothing is imported or tested before a person has switched one on.
"""

from django.db import migrations


def create(apps, schema_editor):
    source = apps.get_model("reviews", "Source")
    source.objects.get_or_create(
        name="charmers", defaults={"kind": "team-branches", "target": "charmers", "distribution": "charms", "active": False}
    )
    source.objects.get_or_create(
        name="charms",
        defaults={
            "kind": "distribution-bugs", "target": "charms", "excluded_tags": ["not-a-charm"], "active": False,
        },
    )
    apps.get_model("auth", "Group").objects.get_or_create(name="reviewers")


class Migration(migrations.Migration):
    dependencies = [("reviews", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
