from django.db import migrations, models


def keep_outcomes(apps, schema_editor):
    """Single tests that were kept before outcomes were have that of their return code."""
    outcome = models.Case(
        models.When(returncode=0, then=models.Value("pass")), default=models.Value("fail"),
        output_field=models.CharField(),
    )  # fmt: skip
    apps.get_model("testing", "TestResult").objects.filter(outcome="").update(outcome=outcome)


class Migration(migrations.Migration):
    dependencies = [("testing", "0009_standing_and_targets")]

    operations = [migrations.RunPython(keep_outcomes, migrations.RunPython.noop)]
