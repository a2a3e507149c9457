#!/usr/bin/env python
"""Django's command line for Review Queue."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as problem:  # a setting is missing or wrong: words, not a trace
        sys.exit(str(problem))
    except (OperationalError, ProgrammingError) as error:
        if "--traceback" in sys.argv:
            raise
        reason = str(error).strip().split("\n")[0]
        sys.exit(f"The database can't be used: {reason}. Is it there, and migrated? manage.py check_queue says more.")


if __name__ == "__main__":
    main()
