"""Celery tasks of the testing room. Each calls one function, and may run twice without harm."""

from celery import shared_task

from testing import sweep
from testing.sweep import results, stopping


@shared_task(name="testing.tasks.sweep_test_runs")
def sweep_test_runs() -> None:
    """Bring every due test run on."""
    sweep.sweep()


@shared_task(name="testing.tasks.collect_results")
def collect_results(run_id: int) -> None:
    """Keep the single tests of a finished run."""
    results.collect_results(run_id)


@shared_task(name="testing.tasks.stop_build")
def stop_build(run_id: int) -> None:
    """Stop the build of a cancelled run."""
    stopping.stop_build(run_id)
