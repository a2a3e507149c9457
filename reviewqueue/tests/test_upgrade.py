"""An upgrade keeps every row: a filled database of the first version is brought to the newest, and compared."""

from datetime import UTC, datetime

import pytest
from django.apps import apps as newest_apps
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import override_settings

FIRST = [
    ("accounts", "0001_initial"),
    ("reviews", "0003_search_words"),
    ("testing", "0002_classic_substrates"),
    ("integrations", "0002_schedules"),
    ("operations", "0001_initial"),
]
OURS = [app for app, _ in FIRST]
# By verdicts, see below; and by the days on which items were submitted and closed.
REPLACED = ["integrations.OutcomePost", "reviews.QueueSample"]
WATCHED = [*OURS, "django_celery_beat", "auth"]  # staff own what the migrations put there


def migrate_to(targets):
    """Bring the test's database to these migrations. Returns the models as they are there."""
    MigrationExecutor(connection).migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


def value_for(field, number, rows):
    """Something that this field can hold, another for each number."""
    if field.is_relation:
        return rows[field.related_model][number]
    if field.choices:
        return field.choices[number % len(field.choices)][0]
    if isinstance(field, models.BooleanField):
        return not field.default
    if isinstance(field, models.DateTimeField):
        return datetime(2026, 3, 1 + number, 10, tzinfo=UTC)
    if isinstance(field, models.IntegerField | models.FloatField):
        return number + 1
    if isinstance(field, models.JSONField):
        return [f"text {number}"]
    return f"{field.name}-{number}"[: field.max_length]


def fill(state):
    """Two rows of each model, all their columns filled as far as the constraints let them be."""
    rows = {}
    for model in in_order_of_references([model for model in state.get_models() if model._meta.app_label in OURS]):
        fields = [field for field in model._meta.concrete_fields if not field.primary_key]
        rows[model] = []
        for number in range(2):
            required = [field for field in fields if not field.null and not field.has_default()]
            row = model.objects.create(**{field.name: value_for(field, number, rows) for field in required})
            rows[model].append(row)
            for field in fields:
                if field not in required:
                    fill_if_allowed(row, field, value_for(field, number, rows))
    return rows


def fill_if_allowed(row, field, value):
    before = getattr(row, field.attname)
    setattr(row, field.name, value)
    try:
        with transaction.atomic():
            row.save(update_fields=[field.name])
    except IntegrityError:  # as a lock's holder without a time
        setattr(row, field.attname, before)


def in_order_of_references(found):
    """What is referred to comes first."""
    ordered = []
    while found:
        ready = [
            model
            for model in found
            if not {field.related_model for field in model._meta.concrete_fields if field.is_relation}
            & (set(found) - {model})
        ]
        ordered += ready
        found = [model for model in found if model not in ready]
    return ordered


def rows_of(state):
    """All the rows of the watched apps: model, key, column, value."""
    return {
        (model._meta.label, row["id"]): row
        for model in state.get_models(include_auto_created=True)
        if model._meta.app_label in WATCHED and model._meta.pk.name == "id"
        for row in model.objects.values()
    }


@pytest.fixture
def first_version(transactional_db):
    yield migrate_to(FIRST)
    migrate_to(MigrationExecutor(connection).loader.graph.leaf_nodes())


def test_an_upgrade_keeps_every_row(first_version):
    filled = fill(first_version)
    first_version.get_model("accounts", "User").objects.first().groups.add(
        first_version.get_model("auth", "Group").objects.first()
    )
    first_version.get_model("django_celery_beat", "PeriodicTask").objects.update(description="edited", enabled=False)
    before = rows_of(first_version)
    assert {model._meta.label for model in filled} <= {label for label, _ in before}
    migrate_to(MigrationExecutor(connection).loader.graph.leaf_nodes())
    after = rows_of(newest_apps)
    lost = [key for key in before if key not in after and key[0] not in REPLACED]
    assert not lost
    changed = [
        (key, column, value, after[key][column])
        for key, row in before.items()
        if key in after
        for column, value in row.items()
        if column in after[key] and after[key][column] != value
    ]
    assert not changed


def test_a_downgrade_leaves_no_webhook_secret_encrypted(transactional_db):
    sources = newest_apps.get_model("reviews", "Source").objects
    sources.filter(name="charmers").update(webhook_secret="between-us")
    with override_settings(SECRET_KEY="a-key-that-is-lost-" + "z" * 40):
        sources.filter(name="charms").update(webhook_secret="lost")
    older = migrate_to([("reviews", "0011_event_recheck")])
    stored = dict(older.get_model("reviews", "Source").objects.values_list("name", "webhook_secret"))
    migrate_to(MigrationExecutor(connection).loader.graph.leaf_nodes())
    assert (stored.pop("charmers"), set(stored.values())) == ("between-us", {""})
    assert sources.get(name="charmers").webhook_secret == "between-us"


def test_what_was_posted_run_by_run_is_not_posted_again(first_version):
    model = first_version.get_model
    fill(first_version)
    run = model("testing", "TestRun").objects.first()
    at = datetime(2026, 3, 1, tzinfo=UTC)
    model("integrations", "OutcomePost").objects.all().delete()
    model("integrations", "OutcomePost").objects.create(run=run, outcome="fail", state="posted", posted_at=at)
    migrate_to(MigrationExecutor(connection).loader.graph.leaf_nodes())
    post = newest_apps.get_model("integrations", "VerdictPost").objects.get()
    assert (post.review_id, post.revision, post.verdict, post.vote, post.state, post.posted_at) == (
        run.review_id, run.revision, "fail", "Needs Fixing", "posted", at,
    )  # fmt: skip
