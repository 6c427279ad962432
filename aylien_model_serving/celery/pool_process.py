"""The handlers of one process of Celery's pool, each loaded once and run by a thread of this process."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from aylien_model_serving.core import logging as logs
from aylien_model_serving.jobs import progress
from aylien_model_serving.jobs.broker import messages
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.webhook_sender import WebhookSender
from aylien_model_serving.jobs.worker.lease import JobLeases
from aylien_model_serving.jobs.worker.on_demand import OnDemandWorker
from aylien_model_serving.jobs.worker.running import RunningJobs
from aylien_model_serving.process import lifecycle
from aylien_model_serving.replicas.replica.hosted_engine import HostedEngine
from aylien_model_serving.replicas.supervisor import devices
from aylien_model_serving.rpc.spec import Spec
from aylien_model_serving.web.hosted_jobs import HostedJobs

logger = logging.getLogger(__name__)

#: Seconds before a process whose handler can't be loaded ends, and Celery starts another.
_PAUSE_AFTER_FAILURE = 5.0


class PoolProcess:
    """Runs jobs in this process, whose handlers are loaded at their first use.

    Args:
        jobs: of the service.
        home: the folder of the worker's main process.
    """

    def __init__(self, jobs: HostedJobs, home: Path) -> None:
        self._jobs = jobs
        self._pid = os.getpid()
        self._home = home
        self._hosted: list[HostedEngine] = []
        self._workers: dict[str, OnDemandWorker] = {}
        self._is_well = True
        logs.configure(jobs.settings)
        lifecycle.is_inspecting = False

    @property
    def is_this(self) -> bool:
        """Whether the current process is the one that this was made in."""
        return self._pid == os.getpid()

    def load(self, queues: Collection[str]) -> None:
        """Load the handlers of some queues; where one can't be, this process ends after a pause.

        Args:
            queues: names of those from which it gets messages.
        """
        for spec in self._jobs.specs:
            if messages.task_name(self._jobs.service, spec.name) in queues:
                try:
                    self._worker_of(spec)
                except BaseException:
                    logger.exception("%s can't be built", spec.name)
                    time.sleep(_PAUSE_AFTER_FAILURE)
                    os._exit(1)
        lifecycle.loaded()
        settings = self._jobs.settings
        if settings.webhook_allow and settings.webhook_secret:
            WebhookSender(
                self._store, self._jobs.service, settings.webhook_allow, settings.webhook_secret
            ).start()

    def run_next(self, route: str) -> str | None:
        """Run the next job of a route, and return its id; None where none waits, or the store is away."""
        from billiard.exceptions import SoftTimeLimitExceeded

        if not self._is_well:
            _end_process()
        spec = next(each for each in self._jobs.specs if each.name == route)
        try:
            return self._worker_of(spec).run_next()
        except StoreUnavailable:  # which the log has; the steward finds the job when the store is back
            return None
        except SoftTimeLimitExceeded:
            logger.error("Celery's time limit ends a process, and its job runs again: give it a 'timeout'")
            _end_process()
            raise

    def close(self) -> None:
        """Close the handlers, as this process ends."""
        for hosted in self._hosted:
            if hosted.health is not None:
                hosted.health.end()
            hosted.close_handler()

    @cached_property
    def _store(self) -> Store:
        return self._jobs.open_store()

    def _worker_of(self, spec: Spec) -> OnDemandWorker:
        if spec.name not in self._workers:
            self._workers[spec.name] = self._built(spec)
        return self._workers[spec.name]

    def _built(self, spec: Spec) -> OnDemandWorker:
        record = str(self._home / f"{spec.key[:16]}-{_number_in_pool()}.runs")
        hosted = HostedEngine(
            spec,
            self._jobs.settings,
            _device_of(spec),
            self._home,
            record,
            _nothing,
            lambda: self._report_unwell("what is left of its GPU's memory is not enough"),
        )
        self._hosted.append(hosted)
        for _ in range(spec.threads):
            threading.Thread(target=hosted.engine.work, name="model-serving-handler", daemon=True).start()
        hosted.warm_up()
        if hosted.health is not None:
            hosted.health.start(self._report_unwell)
        leases = JobLeases(self._store, self._jobs.service, (spec.name,))
        running = RunningJobs(
            leases,
            hosted.endpoint,
            hosted.engine,
            progress.parameter_of(hosted.handler),
            grace=spec.jobs_grace,
            kill=_end_process,
        )
        return OnDemandWorker(leases, running, spec.threads)

    def _report_unwell(self, reason: str) -> None:
        """Have this process end in place of its next job."""
        logger.error("A process of the pool ends before its next job: %s", reason)
        self._is_well = False


def _device_of(spec: Spec) -> str:
    """Return the device of this process of a pool: the GPUs, or those that are named, in turn."""
    gpus = len(devices.visible(os.environ))
    number = _number_in_pool()
    if spec.devices == "auto":
        return f"cuda:{number % gpus}" if gpus else "cpu"
    return devices.choose(spec.devices, number, gpus, ())


def _number_in_pool() -> int:
    from billiard import current_process

    return getattr(current_process(), "index", None) or 0


def _end_process() -> None:
    """Kill this process, whose job can't be stopped otherwise; Celery starts another."""
    os.kill(os.getpid(), signal.SIGKILL)


def _nothing() -> None:
    """Nobody waits for a batch, which jobs have not."""
