"""The default schedules (SPEC section 4): made once, here, so that no deploy can overwrite what staff made of them."""

from django.db import migrations

SCHEDULES = [
    ("Import from Launchpad", "integrations.tasks.import_from_launchpad", 10),
    ("Refresh active reviews", "integrations.tasks.refresh_active", 2),
    ("Sweep test runs", "testing.tasks.sweep_test_runs", 1),
    ("Publish results", "integrations.tasks.publish_results", 2),
]


def create(apps, schema_editor):
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, path, minutes in SCHEDULES:
        every = interval.objects.filter(every=minutes, period="minutes").first()
        every = every or interval.objects.create(every=minutes, period="minutes")
        task.objects.get_or_create(name=name, defaults={"task": path, "interval": every})


class Migration(migrations.Migration):
    dependencies = [("integrations", "0001_initial"), ("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
