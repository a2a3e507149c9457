"""The test plan: which job tests items of a source on a substrate, and how (docs/specification.md, section 5)."""

from __future__ import annotations

from dataclasses import dataclass

from testing.models import Job, PlanRow, Substrate

MAX_TIMEOUT = 7 * 24 * 3600  # seconds: the longest timeout of a row


@dataclass(frozen=True, slots=True)
class Planned:
    """What the plan says of one source on one substrate.

    Without a ``job`` it is the one that the environment names. A ``timeout`` (seconds) or a number of ``attempts`` that
    is None is that of the settings.
    """

    default: bool  # starts by itself
    counts: bool = True  # counts for the verdict
    job: Job | None = None
    timeout: int | None = None
    attempts: int | None = None


class TestPlan:
    """The whole plan as it is now, for any number of sources and substrates. One query, when it is made."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    def __init__(self) -> None:
        rows = PlanRow.objects.select_related("job__server").order_by()
        self._rows = {(row.source_id, row.substrate_id): row for row in rows}

    def planned(self, source_id: int | None, substrate: Substrate) -> Planned:
        """What holds for a source on a substrate: the most specific row, else what the substrate itself says.

        A substrate that is not active starts nothing by itself, whatever its row says.
        """
        places = [(source_id, substrate.pk), (source_id, None), (None, substrate.pk), (None, None)]
        row = next((self._rows[place] for place in places if place in self._rows), None)
        if row is None:
            return Planned(default=substrate.active and substrate.default)
        return Planned(
            default=substrate.active and row.default, counts=row.counts, job=row.job, timeout=row.timeout,
            attempts=row.attempts,
        )  # fmt: skip
