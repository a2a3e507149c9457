"""Prometheus metrics, computed from the database when they are asked for: right with any number of processes."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.cache import cache
from django.db.models import Count, Min, OuterRef, Subquery
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from integrations.models import ImportReport, VerdictPost
from reviewqueue.operations.models import Counter, Heartbeat
from reviews.models import INCOMING_STATES, OPEN_STATES, REVIEWING_STATES, Review, Source
from testing.models import UNFINISHED, Status, Substrate, TestRun

FINISHED_KEPT_SECONDS = 60  # for the counts of finished runs: counting a million takes a while
COUNTERS: tuple[tuple[str, str, str, str], ...] = (
    ("callbacks", "reviewqueue_callbacks", "result", "Callbacks of builds, by result."),
    ("webhooks", "reviewqueue_webhooks", "result", "Webhook deliveries, by result."),
    ("task failures", "reviewqueue_task_failures", "task", "Background tasks that failed."),
)


class QueueCollector(Collector):
    """The queue in numbers. A constant number of queries."""

    def collect(self) -> Iterator[Metric]:
        """Every metric; names are documented in docs/operations.md."""
        yield from self._reviews()
        yield from self._runs()
        yield from self._imports()
        yield from self._processes()
        yield from self._counters()

    def describe(self) -> list[Metric]:
        """Nothing ahead of time: registering must not read the database."""
        return []

    def _reviews(self) -> Iterator[Metric]:
        now = timezone.now()
        rows = Review.objects.tracked().open().order_by().values_list("state")
        facts = {state: (count, oldest) for state, count, oldest in rows.annotate(Count("pk"), Min("updated_at"))}
        length = GaugeMetricFamily("reviewqueue_reviews", "Open reviews by state.", labels=["state"])
        for state in OPEN_STATES:
            length.add_metric([state], facts.get(state, (0, None))[0])
        yield length
        oldest = GaugeMetricFamily(
            "reviewqueue_oldest_review_seconds",
            "Time since the last activity of the review that waits longest for a reviewer.",
            labels=["section"],
        )
        for section, states in (("incoming", INCOMING_STATES), ("reviews", REVIEWING_STATES)):
            times = [facts[state][1] for state in states if state in facts]
            oldest.add_metric([section], max(0.0, (now - min(times)).total_seconds()) if times else 0.0)
        yield oldest
        locks = Review.objects.locked().count()
        yield GaugeMetricFamily("reviewqueue_locks", "Locked reviews.", value=locks)
        due = Review.objects.due(now).count()
        yield GaugeMetricFamily("reviewqueue_reviews_due", "Reviews that are due to be brought up to date.", value=due)

    def _runs(self) -> Iterator[Metric]:
        now = timezone.now()
        substrates = dict(Substrate.objects.values_list("pk", "name"))
        runs = TestRun.objects.unfinished().order_by()
        waiting = {
            (status, substrate): (count, oldest)
            for status, substrate, count, oldest in runs.values_list("status", "substrate").annotate(
                Count("pk"), Min("created_at")
            )
        }
        finished = cache.get_or_set("metrics-finished-runs", _finished_runs, FINISHED_KEPT_SECONDS) or {}
        by_status = GaugeMetricFamily(
            "reviewqueue_test_runs",
            f"Test runs by status and substrate; finished ones are counted every {FINISHED_KEPT_SECONDS} seconds.",
            labels=["status", "substrate"],
        )
        for pk, name in substrates.items():
            for status in Status.values:
                count = waiting.get((status, pk), (0,))[0] if status in UNFINISHED else finished.get((status, pk), 0)
                by_status.add_metric([status, name], count)
        yield by_status
        oldest = GaugeMetricFamily(
            "reviewqueue_oldest_run_seconds", "Age of the oldest unfinished test run.", labels=["status"]
        )
        for status in UNFINISHED:
            times = [since for (at, _), (_, since) in waiting.items() if at == status]
            oldest.add_metric([status], max(0.0, (now - min(times)).total_seconds()) if times else 0.0)
        yield oldest
        due = TestRun.objects.due().count()
        yield GaugeMetricFamily(
            "reviewqueue_test_runs_due", "Unfinished test runs that the next sweep will take up.", value=due
        )
        failed = VerdictPost.objects.wanted().exclude(error="").count()
        yield GaugeMetricFamily(
            "reviewqueue_unposted_outcomes", "Verdicts that could not be posted to Launchpad yet.", value=failed
        )

    def _imports(self) -> Iterator[Metric]:
        newest = ImportReport.objects.filter(source=OuterRef("pk"), finished_at__isnull=False)
        sources = list(
            Source.objects.filter(active=True).annotate(
                newest=Subquery(newest.order_by("-started_at").values("pk")[:1])
            )
        )
        reports = ImportReport.objects.in_bulk([source.newest for source in sources if source.newest])
        seconds = GaugeMetricFamily(
            "reviewqueue_import_duration_seconds", "How long the last import took.", labels=["source"]
        )
        requests = GaugeMetricFamily(
            "reviewqueue_import_requests", "Requests to Launchpad of the last import.", labels=["source"]
        )
        problems = GaugeMetricFamily(
            "reviewqueue_import_problems", "Problems that the last import reported.", labels=["source"]
        )
        success = GaugeMetricFamily(
            "reviewqueue_import_success", "1 if the last import went well, else 0.", labels=["source"]
        )
        age = GaugeMetricFamily(
            "reviewqueue_import_age_seconds", "Time since the last import that went well.", labels=["source"]
        )
        for source in sources:
            if source.last_success_at:
                age.add_metric([source.name], (timezone.now() - source.last_success_at).total_seconds())
            report = reports.get(source.newest)
            if report and report.finished_at:
                seconds.add_metric([source.name], (report.finished_at - report.started_at).total_seconds())
                requests.add_metric([source.name], report.requests)
                problems.add_metric([source.name], len(report.problems))
                success.add_metric([source.name], float(report.ok))
        yield from (seconds, requests, problems, success, age)

    def _processes(self) -> Iterator[Metric]:
        age = GaugeMetricFamily(
            "reviewqueue_heartbeat_age_seconds",
            "Time since a process gave its last sign of life.",
            labels=["kind", "process"],
        )
        now = timezone.now()
        for row in Heartbeat.objects.order_by("-at")[:100]:
            age.add_metric([row.kind, row.host], max(0.0, (now - row.at).total_seconds()))
        yield age

    def _counters(self) -> Iterator[Metric]:
        counters = list(Counter.objects.order_by("name", "label"))
        for name, metric, label, words in COUNTERS:
            family = CounterMetricFamily(metric, words, labels=[label])
            for counter in counters:
                if counter.name == name:
                    family.add_metric([counter.label], counter.count)
            yield family


def _finished_runs() -> dict[tuple[str, int], int]:
    rows = TestRun.objects.finished().order_by().values_list("status", "substrate")
    return {(status, substrate): count for status, substrate, count in rows.annotate(Count("pk"))}


def exposition() -> tuple[bytes, str]:
    """The metrics in Prometheus' text format, and its content type."""
    registry = CollectorRegistry()
    registry.register(QueueCollector())
    return generate_latest(registry), CONTENT_TYPE_LATEST
