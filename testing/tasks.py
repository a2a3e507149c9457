"""Celery tasks of the testing room. Each calls one function, and may run twice without harm."""

from celery import shared_task

from testing import baselines, sweep
from testing.outages import keep_outages
from testing.sweep import results, stopping


@shared_task(name="testing.tasks.sweep_test_runs")
def sweep_test_runs() -> None:
    """Bring every due test run on, and see whether a substrate fails for everybody."""
    sweep.sweep()
    keep_outages()


@shared_task(name="testing.tasks.run_baselines")
def run_baselines() -> None:
    """Test the targets of open items by themselves, where their source says so."""
    baselines.run_baselines()


@shared_task(name="testing.tasks.collect_results")
def collect_results(run_id: int) -> None:
    """Keep the single tests of a finished run."""
    results.collect_results(run_id)


@shared_task(name="testing.tasks.stop_build")
def stop_build(run_id: int) -> None:
    """Stop the build of a cancelled run."""
    stopping.stop_build(run_id)
