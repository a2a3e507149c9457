"""PostgreSQL: indexes for the words of a search, where the database's user may have the extension that they need.

Without them the search answers the same, by reading every review. They are no part of the model's state, since no other
database has them. Built while the queue goes on; an interrupted one is built anew.
"""

from django.db import DatabaseError, migrations

INDEXES = {"review_title_words": "title", "review_url_words": "url"}


def create(apps, schema_editor):
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        try:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except DatabaseError:
            print("\n    Text search stays slow: CREATE EXTENSION pg_trgm was refused (docs/operations.md).")
            return
        for name, column in INDEXES.items():
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {name} ON reviews_review USING gin (UPPER({column}::text) gin_trgm_ops)"
            )


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        with schema_editor.connection.cursor() as cursor:
            for name in INDEXES:
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("reviews", "0002_classic_sources")]
    operations = [migrations.RunPython(create, drop)]
