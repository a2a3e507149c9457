"""The daily schedule that tests targets: made once, so that no deploy overwrites what staff made of it."""

from django.db import migrations

TASK = "testing.tasks.run_baselines"


def create(apps, schema_editor):
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    daily = interval.objects.filter(every=24, period="hours").first()
    daily = daily or interval.objects.create(every=24, period="hours")
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name="Test the targets", defaults={"task": TASK, "interval": daily, "expire_seconds": 3600}
    )


class Migration(migrations.Migration):
    dependencies = [
        ("testing", "0011_outages_and_standing_at"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
