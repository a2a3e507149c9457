"""Commands say in words what is wrong, and end with a status that scripts read (docs/specification.md, section 9)."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from reviews.models import Source


def manage(tmp_path, *arguments, **more):
    environment = {"PATH": os.environ["PATH"], "DEBUG": "true", "VAR_DIR": str(tmp_path), **more}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_a_database_without_tables_is_said_in_words(tmp_path):
    done = manage(tmp_path, "import_reviews")
    assert (done.returncode, done.stdout) == (1, "")
    assert "manage.py check_queue says more" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "said"), [("TESTING_TIMEOUT", "has a value of the wrong form"), ("DEBUG", "is neither true nor")]
)
def test_a_setting_that_is_not_valid_is_named(tmp_path, name, said):
    done = manage(tmp_path, "import_reviews", **{name: "maybe"})
    assert done.returncode == 1
    assert f"{name} {said}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.django_db
def test_numbers_of_no_review_are_wrong_usage():
    with pytest.raises(CommandError, match=r"No such review: 10+\.") as wrong:
        call_command("refresh_reviews", str(10**21))
    assert wrong.value.returncode == 2


@pytest.mark.django_db
def test_an_import_of_nothing_is_no_success():
    Source.objects.update(active=False)
    with pytest.raises(CommandError, match="No source is active"):
        call_command("import_reviews")
