"""A job as clients see it, in the words of FastTaskAPI and APIPod 1.0.

Pure. What is not known is left out.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, TypedDict, cast

import msgspec

from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.states import ENDED, Status


class Metrics(TypedDict, total=False):
    """When what happened to a job: times as RFC 3339 has them, seconds, and how often it was started."""

    created_at: str
    queued_at: str
    started_at: str
    finished_at: str
    execution_time_s: float
    attempts: int


class Links(TypedDict):
    """The paths by which a job is followed."""

    status: str
    cancel: str
    stream: str


class _RequiredOfShownJob(TypedDict):
    job_id: str
    status: Status
    progress: float
    metrics: Metrics
    links: Links


class ShownJob(_RequiredOfShownJob, total=False):
    """A job as clients get it."""

    request_id: str
    caller: str
    result: Any
    error: str
    message: str


class ListedJob(ShownJob):
    """A job among others."""

    route: str


class _RequiredOfJobPage(TypedDict):
    jobs: list[ListedJob]


class JobPage(_RequiredOfJobPage, total=False):
    """Some jobs, the last one first, and where the page after them begins."""

    next: int


_NULL = b"null"


def show(job: JobRecord, result: bytes | None = None) -> dict[str, Any]:
    """Return a job as JSON shows it.

    Args:
        job: the job.
        result: the JSON of its result, once it has finished.
    """
    fraction = 1.0 if job.status == "finished" else job.fraction
    shown = {
        "job_id": job.id,
        "request_id": job.request_id or None,
        "caller": job.caller or None,
        "status": job.status,
        "result": None if result in (None, _NULL) else msgspec.Raw(result),
        "error": job.error,
        "progress": fraction,
        "message": job.message,
        "metrics": _without_nulls(_metrics(job)),
        "links": {
            "status": f"/status/{job.id}",
            "cancel": f"/cancel/{job.id}",
            "stream": f"/stream/{job.id}",
        },
    }
    return _without_nulls(shown)


def listed(job: JobRecord) -> ListedJob:
    """Return a job as JSON lists it among others: its route too, and no result."""
    return cast("ListedJob", {**show(job), "route": job.route})


def _metrics(job: JobRecord) -> dict[str, Any]:
    is_over = job.status in ENDED and job.started_at is not None and job.finished_at is not None
    return {
        "created_at": _rfc3339(job, job.created_at),
        "queued_at": _rfc3339(job, job.queued_at),
        "started_at": _rfc3339(job, job.started_at),
        "finished_at": _rfc3339(job, job.finished_at),
        "execution_time_s": round(job.finished_at - job.started_at, 6) if is_over else None,  # type: ignore[operator]  # neither is None then
        "attempts": job.attempts,
    }


def _rfc3339(job: JobRecord, seconds: float | None) -> str | None:
    """Return a time of a job's as RFC 3339 has it, in UTC, by the wall clock that the job was made under."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds + job.wall_ahead, timezone.utc).isoformat(timespec="milliseconds")


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
