"""What a replica hosts: a handler behind an engine, the server that takes calls for it, and its job worker.

Puts the parts together and closes them in order; each part's own work is in its file.
"""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from aylien_model_serving import codecs
from aylien_model_serving.background import pool
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.retention import Limits
from aylien_model_serving.jobs.service_identity import ServiceIdentity
from aylien_model_serving.jobs.worker.worker import JobWorker
from aylien_model_serving.metrics.runners import RunnerInstruments
from aylien_model_serving.process import large_work, lifecycle
from aylien_model_serving.replicas.replica import owner_watch
from aylien_model_serving.replicas.replica.frame_socket import WantWrite
from aylien_model_serving.replicas.replica.hosted_engine import HostedEngine
from aylien_model_serving.replicas.replica.server import ReplicaServer
from aylien_model_serving.replicas.replica.supervisor_channel import SupervisorChannel
from aylien_model_serving.replicas.replica.worker_connection import WorkerConnection
from aylien_model_serving.rpc import code_files
from aylien_model_serving.rpc.control_messages import Command, Load, Status
from aylien_model_serving.rpc.spec import Spec

logger = logging.getLogger(__name__)

#: Seconds before a replica's drain ends at which jobs that still run are given back to the store.
_GIVE_BACK_SECONDS = 0.5

#: Lines of a traceback that mark a part of the line above, from Python 3.11 on.
_MARKS = re.compile(r"^ +[~^]+\n", re.MULTILINE)

#: Characters of a failure that are reported to the supervisor; the log has all of it.
_MAX_FAILURE = 2000


class HostedHandler:
    """A built handler, and all that stands between it and its callers.

    Args:
        spec: what to host.
        command: on which device, and at which paths.
        settings: limits and switches.
    """

    def __init__(self, spec: Spec, command: Command, settings: Settings) -> None:
        self._spec = spec
        self._command = command
        home = Path(command.socket).parents[1]
        self._hosted = HostedEngine(
            spec,
            settings,
            command.device,
            home,
            command.record,
            self._settled,
            self._report_exhausted,
        )
        if command.restarts:
            RunnerInstruments(spec.name, self._hosted.endpoint.instruments).restarted()
        self._supervisor: SupervisorChannel | None = None
        self._until = math.inf
        self._job_worker = self._open_job_worker(settings)
        self._server = ReplicaServer(self._connect)

    def _connect(self, sock: socket.socket, want_write: WantWrite) -> WorkerConnection:
        hosted = self._hosted
        return WorkerConnection(
            sock,
            hosted.endpoint,
            hosted.engine,
            hosted.outcomes,
            hosted.hints,
            want_write,
            self._status,
            self._wake,
        )

    def _open_job_worker(self, settings: Settings) -> JobWorker | None:
        spec = self._spec
        if spec.jobs is None:
            return None
        return JobWorker(
            open_store(
                spec.jobs,
                Limits(settings.jobs_max_ended, settings.jobs_max_bytes),
                ServiceIdentity(spec.jobs_service),
            ),
            spec.jobs_service,
            self._hosted.endpoint,
            self._hosted.handler,
            self._hosted.engine,
            slots=spec.threads,
            grace=spec.jobs_grace,
            settings=replace(settings, webhook_secret=spec.webhook_secret),
            kill=_end_process,
        )

    def _wake(self) -> None:
        if self._job_worker is not None:
            self._job_worker.wake()

    def serve(self, supervisor: SupervisorChannel, on_built: Callable[[], None]) -> None:
        """Answer calls until the supervisor commands to drain; the handler runs on the calling thread.

        Args:
            supervisor: gets the replica's status.
            on_built: called when the model is loaded and warmed up.
        """
        self._supervisor = supervisor
        self._server.watch(supervisor.sock, lambda: self._on_commands(supervisor))
        if self._command.owner:
            owner_watch.begin(self._command.owner, self._server.watch, self._server.forget)
        self._server.start()
        threading.Thread(target=self._start_serving, args=(supervisor, on_built), daemon=True).start()
        for _ in range(self._spec.threads - 1):
            threading.Thread(
                target=self._hosted.engine.work, name="model-serving-handler", daemon=True
            ).start()
        self._hosted.engine.work()
        self._hosted.engine.close(None)
        self._hosted.close_senders()
        self._server.end()
        pool.finish(self._until - time.monotonic() - _GIVE_BACK_SECONDS)
        self._hosted.close_handler()

    def _start_serving(self, supervisor: SupervisorChannel, on_built: Callable[[], None]) -> None:
        try:
            self._hosted.warm_up()
        except BaseException as error:
            fail(supervisor, self._spec, error)
        lifecycle.loaded()
        on_built()
        self._server.listen(self._command.socket)
        supervisor.report(Status(state="ready"))
        if self._hosted.health is not None:
            self._hosted.health.start(lambda error: supervisor.report(Status(unhealthy=error)))
        if self._job_worker is not None:
            self._job_worker.start()

    def _on_commands(self, supervisor: SupervisorChannel) -> None:
        for command in supervisor.receive():
            if command.heartbeat:
                supervisor.report(Status(heartbeat=True))
            if command.load:
                supervisor.report(Status(load=self._load()))
            if command.drain is not None:
                self._until = command.drain
                self._server.drain()
                self._close(command.drain)

    def _close(self, until: float) -> None:
        """Take no more work; give back the jobs that will not be done in time."""
        if self._hosted.health is not None:
            self._hosted.health.end()
        if self._job_worker is not None:
            self._job_worker.close()
            rest = max(0.0, until - time.monotonic() - _GIVE_BACK_SECONDS)
            timer = threading.Timer(rest, self._job_worker.release)
            timer.daemon = True
            timer.start()
        self._hosted.engine.close(0)

    def _settled(self) -> None:
        """Have the server's thread send the replies of a batch, while the handler runs the next one."""
        outcomes = self._hosted.outcomes
        if outcomes is None:
            return
        if outcomes.take_has_large():
            large_work.hand_over(outcomes.send_replies)
        else:
            self._server.post(outcomes.send_replies)

    def _report_exhausted(self) -> None:
        """Ask to be replaced: what is left of a GPU's memory is not enough, or in too small pieces."""
        if self._supervisor is not None:
            self._supervisor.report(
                Status(unhealthy="its GPU's memory ran out several times within a minute")
            )

    def _load(self) -> Load:
        return self._hosted.observer.load(self._hosted.engine.waiting(), self._hosted.engine.running())

    def _status(self) -> Reply:
        return Reply(200, codecs.JSON.encode({"tasks": pool.counts(), **self._hosted.status()}))


def _end_process() -> None:
    """Kill this process, for a job that can't be stopped otherwise; the supervisor starts another."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(supervisor: SupervisorChannel, spec: Spec, error: BaseException) -> NoReturn:
    """Report why a replica can't be built, and exit."""
    logger.error("%s can't be built", spec.name, exc_info=error)
    files = {*code_files.imported(), *code_files.named_by(error)} if spec.reports_code else ()
    text = _MARKS.sub("", "".join(traceback.format_exception(error)))
    supervisor.report(Status(failed=text[-_MAX_FAILURE:], code=code_files.stamps_of(files)))
    os._exit(1)
