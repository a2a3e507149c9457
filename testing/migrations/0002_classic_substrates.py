"""The substrates that a fresh install knows; new items are tested on lxc by themselves."""

from django.db import migrations


def create(apps, schema_editor):
    substrate = apps.get_model("testing", "Substrate")
    for order, name in enumerate(["lxc", "aws", "azure", "joyent", "power8"]):
        substrate.objects.get_or_create(name=name, defaults={"order": order, "default": name == "lxc"})


class Migration(migrations.Migration):
    dependencies = [("testing", "0001_initial")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
