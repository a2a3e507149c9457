"""Pruning at night. Made once, here, so that no deploy can overwrite what staff made of it."""

from django.db import migrations


def create(apps, schema_editor):
    crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    fields = {"minute": "17", "hour": "3", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
    nightly = crontab.objects.filter(**fields).first() or crontab.objects.create(**fields)
    task.objects.get_or_create(
        name="Prune the queue", defaults={"task": "integrations.tasks.prune_queue", "crontab": nightly}
    )


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0003_webhook_deliveries"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
