"""API tokens that an older version kept in clear end here, with a message that says what to do.

Their table was that of ``rest_framework.authtoken``, which is not installed any more; a fresh database has none.
"""

from hashlib import sha512

from django.db import migrations
from django.utils import timezone

TABLE = "authtoken_token"


def end_plain_tokens(apps, schema_editor):
    connection = schema_editor.connection
    if TABLE not in connection.introspection.table_names():
        return
    ApiToken = apps.get_model("accounts", "ApiToken")
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT key, user_id FROM {TABLE}")
        rows = cursor.fetchall()
    # Their digests stay, as ended ones: whoever sends one is told that it ended, rather than that it is unknown.
    ApiToken.objects.bulk_create(
        ApiToken(user_id=user, name="made by an older version", digest=sha512(key.encode()).hexdigest(),
                 token_key=key[:15], created=now, expiry=now)
        for key, user in rows
    )
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")
    apps.get_model("contenttypes", "ContentType").objects.filter(app_label="authtoken").delete()


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0002_api_tokens"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(end_plain_tokens, migrations.RunPython.noop)]
