"""Checks of the work itself: imports, test runs, posting."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from core.text import counted, utc
from integrations.launchpad.reporting import MAX_REFUSALS
from integrations.models import OwnPost, VerdictPost
from reviewqueue.operations.health.findings import Finding, Problem, found
from reviews.models import Source
from testing.models import TestRun
from testing.outages import get_outages

HOW_TO_SWITCH_ON = "In the admin, open one of the sources and tick Active."
MAX_IMPORT_AGE = timedelta(minutes=45)  # since a source's last good import
MAX_RUN_DELAY = timedelta(minutes=15)  # how long a run that is due may be left alone
MAX_POST_DELAY = timedelta(hours=1)
MAX_OWN_POST_DELAY = timedelta(minutes=15)


def check_sources() -> Finding:
    """Active sources whose last import failed, or that were not imported for too long."""
    sources = list(Source.objects.filter(active=True))
    problems, now = [], timezone.now()
    for source in sources:
        if source.last_error:
            remedy = (
                "Check the source's kind and target in the admin, and Launchpad below; it is tried again at the "
                "next import."
            )
            problems.append(Problem(f"The last import of {source.name} failed: {source.last_error}", remedy))
        elif source.last_success_at and source.last_success_at < now - MAX_IMPORT_AGE:
            problems.append(
                Problem(
                    f"{source.name} was last imported at {utc(source.last_success_at)}.",
                    "Check worker, beat and the schedule of the import, or import it now from the list of sources.",
                )
            )
    if not sources and not Source.objects.exclude(last_import_at=None).exists():
        words = f"No source is switched on yet: nothing is imported or tested. {HOW_TO_SWITCH_ON}"
        return found("sources", facts=words)  # the first step of a new queue, not a failure
    if not sources:
        words = "All sources are switched off: nothing is imported."
        problems.append(Problem(words, HOW_TO_SWITCH_ON))
    waiting = [source.name for source in sources if not source.last_import_at]
    facts = f"{len(sources)} active" + (f"; not imported yet: {', '.join(waiting)}" if waiting else "")
    return found("sources", *problems, facts=facts)


def check_runs() -> Finding:
    """Runs that are due and that no sweep has taken up."""
    due = TestRun.objects.overdue(MAX_RUN_DELAY).count()
    if not due:
        return found("test runs")
    minutes = int(MAX_RUN_DELAY.total_seconds() / 60)
    words = f"{due} test runs have been due for more than {minutes} minutes and no sweep has taken them up."
    return found("test runs", Problem(words, "Check worker, beat and the schedule of the sweep."))


def check_outages() -> Finding:
    """Substrates that fail for most items: it is probably not the items' fault."""
    remedy = "Look at its machines and at the console of one of these builds. Afterwards, run again what failed."
    problems = [Problem(f"{each.words} Seen since {utc(each.since)}.", remedy) for each in get_outages()]
    return found("substrates", *problems)


def check_own_posts() -> Finding:
    """What people sent off in their own name, and that should be on Launchpad by now."""
    late = OwnPost.objects.on_their_way().filter(sent_at__lt=timezone.now() - MAX_OWN_POST_DELAY)
    count = late.count()
    if not count:
        return found("people's posts")
    minutes = int(MAX_OWN_POST_DELAY.total_seconds() / 60)
    words = f"Sent off by people more than {minutes} min ago, and not on Launchpad yet: {counted(count, 'comment')}."
    remedy = "Check worker, beat and Launchpad. Each is tried again, and given back to its author after a day."
    return found("people's posts", Problem(words, remedy))


def check_posting() -> Finding:
    """Verdicts that should be on Launchpad by now."""
    if not settings.TESTING_COMMENTS and not Source.objects.filter(comments=Source.Comments.ON).exists():
        return found("posting", facts="switched off")
    late = VerdictPost.objects.wanted().filter(created_at__lt=timezone.now() - MAX_POST_DELAY)
    if failed := late.exclude(error="").order_by("created_at").first():
        words = (
            f"{counted(late.count(), 'verdict')} could not be posted for more than an hour. The oldest: {failed.error}"
        )
        remedy = (
            "Each is tried again, later and later where Launchpad refuses it, and given up after "
            f"{MAX_REFUSALS} refusals. The admin lists them under verdict posts, with an action to post them again."
        )
        return found("posting", Problem(words, remedy))
    if not settings.LAUNCHPAD_CREDENTIALS_FILE.exists():
        words = "Verdicts can't be posted: nobody is logged in to Launchpad."
        return found("posting", Problem(words, "Run: manage.py setup_launchpad_credentials"))
    return found("posting", facts="switched on")
