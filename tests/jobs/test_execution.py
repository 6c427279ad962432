"""One attempt of a job: what is left of it once it has ended."""

from __future__ import annotations

import gc
import weakref
from typing import Any
from unittest.mock import Mock

from aylien_model_serving.jobs import transitions
from aylien_model_serving.jobs.job import ClaimedJob
from aylien_model_serving.jobs.worker.execution import JobExecution
from aylien_model_serving.rpc import protocol
from tests.dispatch.pipelines import Service, call
from tests.jobs.stores import new_job

NOW = 1_700_000_000.0
RUNNING = transitions.claimed(transitions.created(new_job(), NOW), "me", 10.0, NOW)


def double(n: int) -> int:
    return 2 * n


def execution(leases: Any) -> JobExecution:
    encoded = b"".join(protocol.encode_call(1, call(b'{"n": 1}'), False))
    return JobExecution(ClaimedJob(RUNNING, encoded), Service(double).endpoint, leases, None, lambda _: None)


def test_a_handlers_progress_is_written_while_it_runs() -> None:
    leases = Mock()
    leases.report.return_value = False
    begun = execution(leases)

    begun.progress.set_status(0.5, "half")

    leases.report.assert_called_once_with(RUNNING, 0.5, "half")
    assert not begun.progress.is_stopped


def test_an_attempt_that_has_ended_is_gone_without_the_collector() -> None:
    begun = execution(Mock())
    begun.prepare()
    left = weakref.ref(begun)

    gc.disable()
    try:
        begun.finish(2, None)
        del begun
        found = left()
    finally:
        gc.enable()

    assert found is None
