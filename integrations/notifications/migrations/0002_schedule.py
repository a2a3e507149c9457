"""The schedule of messages, made once so that no deploy overwrites what staff made of it; and for the accounts that
there are, the moment from which on they are told anything."""

from django.db import migrations

TASK = "integrations.notifications.tasks.send_notifications"


def create(apps, schema_editor):
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    every = interval.objects.filter(every=1, period="minutes").first()
    every = every or interval.objects.create(every=1, period="minutes")
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name="Send notifications", defaults={"task": TASK, "interval": every, "expire_seconds": 120}
    )
    preferences = apps.get_model("notifications", "Preferences")
    users = apps.get_model("accounts", "User").objects.order_by("pk")
    preferences.objects.bulk_create(preferences(user=user) for user in users)


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
