#!/usr/bin/env python
"""Django's command line for Review Queue."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as problem:  # a setting is missing or wrong: words, not a trace
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
