"""Messages of the default schedules are worth nothing once the next ones are sent: workers that were away drop them."""

from django.db import migrations

TASKS = {
    "integrations.tasks.import_from_launchpad": 600,
    "integrations.tasks.refresh_active": 240,
    "testing.tasks.sweep_test_runs": 120,
    "integrations.tasks.publish_results": 240,
}


def expire(apps, schema_editor):
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    for path, seconds in TASKS.items():
        task.objects.filter(task=path, expires=None, expire_seconds=None).update(expire_seconds=seconds)


class Migration(migrations.Migration):
    dependencies = [("integrations", "0005_left_out")]
    operations = [migrations.RunPython(expire, migrations.RunPython.noop)]
