"""The log lines of a job: they carry its id, and the id and the caller of the request that made it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aylien_model_serving.core import callers
from aylien_model_serving.core.messages import current_job_id, current_request_id
from aylien_model_serving.jobs.job import JobRecord

logger = logging.getLogger(__name__)


@contextmanager
def log_lines_of(job: JobRecord) -> Iterator[None]:
    """Have the log lines of a block belong to a job."""
    request_id = current_request_id.set(job.request_id or "-")
    job_id = current_job_id.set(job.id)
    caller = callers.current.set(callers.named(job.caller))
    try:
        yield
    finally:
        callers.current.reset(caller)
        current_job_id.reset(job_id)
        current_request_id.reset(request_id)


def log_lost(job: JobRecord) -> None:
    """Log what has become of a job whose process has ended."""
    with log_lines_of(job):
        if job.status == "failed":
            logger.error("Job %s of %s failed: %s", job.id, job.route, job.error)
        elif job.status == "queued":
            logger.warning("Job %s of %s is queued again: its process has ended", job.id, job.route)
