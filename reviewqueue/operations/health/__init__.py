"""What is wrong and what to do: one set of checks, for the admin's Health page and for ``check_queue``.

``processes``, ``queue``, ``launchpad``, ``clocks`` and ``services`` hold the checks by what they ask; ``overview`` has
the facts that the page shows beside them (docs/specification.md, sections 8 and 9).
"""

from reviewqueue.operations.health.background import BackgroundChecks
from reviewqueue.operations.health.checks import check_all, service_checks
from reviewqueue.operations.health.findings import Finding, Problem
from reviewqueue.operations.health.overview import get_overview

__all__ = ["BackgroundChecks", "Finding", "Problem", "check_all", "get_overview", "service_checks"]
