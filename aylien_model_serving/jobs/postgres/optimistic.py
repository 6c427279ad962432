"""Changes of one job without a transaction around what was read of it: two statements, each one by itself.

The second one takes effect only if the row is still the version that the first one found.
"""

from __future__ import annotations

from aylien_model_serving.jobs import rows
from aylien_model_serving.jobs.errors import JobChanged
from aylien_model_serving.jobs.job import ClaimedJob, JobRecord
from aylien_model_serving.jobs.postgres import bodies, joined
from aylien_model_serving.jobs.postgres.repository import PostgresRepository
from aylien_model_serving.jobs.postgres.schema import JOBS
from aylien_model_serving.jobs.postgres.statements import Statements
from aylien_model_serving.jobs.postgres.stored_bytes import StoredBytes

_FIND = f"SELECT {', '.join(rows.COLUMNS)}, {joined.VERSION} FROM {JOBS} WHERE id = %s"


class OptimisticRepository(PostgresRepository):
    """The kept jobs, of which one is saved; it raises `JobChanged` where that takes a hold on it.

    Args:
        db: a connection on which each statement is a transaction.
        stored: counts the bytes that are kept.
        lasting: whether what is saved has to outlive a crash of the database right afterwards.
    """

    __slots__ = ("_lasting", "_versions")

    def __init__(self, db: Statements, stored: StoredBytes, *, lasting: bool) -> None:
        super().__init__(db, stored, holds=False)
        self._lasting = lasting
        self._versions: dict[int, str] = {}

    def find(self, job_id: str) -> JobRecord | None:
        for *row, version in self._rows(_FIND, job_id):
            return self._versioned(rows.to_job(row), version)
        return None

    def _next_ready(self, service: str, route: str) -> ClaimedJob | None:
        for *row, version, first in self._rows(joined.NEXT_READY, service, route):
            job = self._versioned(rows.to_job(row), version)
            return ClaimedJob(job, self._call(job, first))
        return None

    def _versioned(self, job: JobRecord, version: str) -> JobRecord:
        self._versions[job.number] = version
        return job

    def save(self, old: JobRecord, new: JobRecord) -> None:
        if new.status == "queued":  # which wakes workers, and may drop items
            raise JobChanged
        changed = rows.changed(old, new)
        if changed:
            statement = joined.change(changed, lasting=self._lasting)
            if not self._rows(statement, old.number, self._versions[old.number], *changed.values()):
                raise JobChanged

    def save_ended(self, old: JobRecord, new: JobRecord, body: bytes | None = None) -> None:
        if body is not None and len(body) > bodies.PART:
            raise JobChanged
        if not self._save_ended(old, new, body, self._versions[old.number]):
            raise JobChanged
