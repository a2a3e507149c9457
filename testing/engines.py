"""Which engine a run's build is asked for: the job that the run was made for, at the place that it was sent to."""

from __future__ import annotations

from functools import cached_property

from django.db.models import Subquery

from core.secret_field import ENTER_AGAIN, Undecryptable
from testing.ci import CIBackend, JobAccess, get_ci
from testing.models import Attempt, Job, Server, TestRun


def access_of(job: Job) -> JobAccess:
    """Where a job is and how it lets us in (reads its server)."""
    server, problem = job.server, ""
    if isinstance(server.api_token, Undecryptable):
        problem = f"The API token of the server {server.name} {ENTER_AGAIN}."
    elif isinstance(job.token, Undecryptable):
        problem = f"The token of the job {job.name} {ENTER_AGAIN}."
    return JobAccess(
        server=server.name, job=job.name, url=job.url, user=server.user, api_token=server.api_token or "",
        token=job.token or "", problem=problem,
    )  # fmt: skip


class Engines:
    """The engines of all jobs, as they are now. At most one query."""

    def __init__(self) -> None:
        self._found: dict[tuple[int | None, str], CIBackend] = {}

    @cached_property
    def jobs(self) -> dict[int, Job]:
        """Every job with its server, by its id."""
        return {job.pk: job for job in Job.objects.select_related("server")}

    @cached_property
    def servers(self) -> dict[int, Server]:
        """Every server that has jobs, by its id."""
        return {job.server_id: job.server for job in self.jobs.values()}

    def current(self, job_id: int | None) -> CIBackend:
        """The engine that a run of the job is sent to; without a job the one that the environment names."""
        return self.sent_to(job_id, "")

    def sent_to(self, job_id: int | None, job_url: str) -> CIBackend:
        """The engine where a run of the job was sent to ``job_url``, should the job have moved since.

        The environment's job is wherever the environment says it is now.
        """
        key = (job_id, job_url if job_id else "")
        if key not in self._found:
            ci = get_ci(access_of(self.jobs[job_id]) if job_id else None)
            self._found[key] = ci.at(job_url) if job_id and job_url else ci
        return self._found[key]

    def of(self, run: TestRun, attempt: Attempt | None) -> CIBackend:
        """The engine that has the run's build."""
        return self.sent_to(run.job_id, attempt.job_url if attempt else "")

    def jobs_of(self, server: Server) -> list[Job]:
        """The jobs of a server."""
        return [job for job in self.jobs.values() if job.server_id == server.pk]


def engine_of(run: TestRun) -> CIBackend:
    """The engine that has the run's current build, to be asked what is a build of its job. At most one query."""
    if run.job_id is None:
        return get_ci()
    sent_to = Attempt.objects.filter(run=run, number=run.attempt).values("job_url")[:1]
    job = Job.objects.select_related("server").annotate(sent_to=Subquery(sent_to)).get(pk=run.job_id)
    ci = get_ci(access_of(job))
    return ci.at(job.sent_to) if job.sent_to else ci
