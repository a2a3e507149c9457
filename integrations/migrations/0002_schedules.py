"""The default schedules (docs/specification.md, "Import and refresh"): made once, so that no deploy overwrites what
staff made of them. A message expires when the next one is due: workers that were away drop the old ones.
"""

from django.db import migrations

SCHEDULES = [
    # name, task, every so many minutes, a message expires after so many seconds
    ("Import from Launchpad", "integrations.tasks.import_from_launchpad", 10, 600),
    ("Refresh active reviews", "integrations.tasks.refresh_active", 2, 240),
    ("Sweep test runs", "testing.tasks.sweep_test_runs", 1, 120),
    ("Publish results", "integrations.tasks.publish_results", 2, 240),
]


def create(apps, schema_editor):
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, path, minutes, expires in SCHEDULES:
        every = interval.objects.filter(every=minutes, period="minutes").first()
        every = every or interval.objects.create(every=minutes, period="minutes")
        task.objects.get_or_create(name=name, defaults={"task": path, "interval": every, "expire_seconds": expires})
    fields = {"minute": "17", "hour": "3", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
    nightly = crontab.objects.filter(**fields).first() or crontab.objects.create(**fields)
    task.objects.get_or_create(
        name="Prune the queue", defaults={"task": "integrations.tasks.prune_queue", "crontab": nightly}
    )


class Migration(migrations.Migration):
    dependencies = [("integrations", "0001_initial"), ("django_celery_beat", "0019_alter_periodictasks_options")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
