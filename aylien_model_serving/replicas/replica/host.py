"""What a replica hosts: a handler behind an engine, the server that takes calls for it, and its job worker.

Puts the parts together and closes them in order; each part's own work is in its file.
"""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NoReturn

from aylien_model_serving import codecs
from aylien_model_serving.background import pool
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.pipeline import check_result
from aylien_model_serving.executors.engine import Engine, QueuedCall
from aylien_model_serving.executors.generators import STREAMS, GeneratorItems
from aylien_model_serving.jobs import progress
from aylien_model_serving.jobs.retention import Limits
from aylien_model_serving.jobs.store import open_store
from aylien_model_serving.jobs.worker.worker import JobWorker
from aylien_model_serving.metrics.runners import RunnerInstruments
from aylien_model_serving.process import large_work, lifecycle
from aylien_model_serving.replicas.replica import loader, owner_watch
from aylien_model_serving.replicas.replica.observer import RunObserver
from aylien_model_serving.replicas.replica.request import OutcomeBuffer
from aylien_model_serving.replicas.replica.server import ReplicaServer
from aylien_model_serving.replicas.replica.supervisor_channel import SupervisorChannel
from aylien_model_serving.rpc import code_files
from aylien_model_serving.rpc.control_messages import Command, Status
from aylien_model_serving.rpc.flight_recorder import FlightRecorder
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
        self._handler = loader.build(spec, command.device)
        self._endpoint = loader.endpoint_of(spec, self._handler, settings)
        instruments = RunnerInstruments(spec.name, self._endpoint.instruments)
        if command.restarts:
            instruments.restarted()
        self._outcomes = OutcomeBuffer() if spec.batching is not None else None
        recorder = FlightRecorder(
            command.record, spec.threads, spec.batching.max_size if spec.batching else 1
        )
        if recorder.error is not None:
            logger.warning("Which calls of %s run is not recorded: %s", spec.name, recorder.error)
        self._observer = RunObserver(recorder, instruments, self._settled)
        self._engine = Engine(
            self._handler,
            loader.signature_of(self._handler, spec),
            batching=spec.batching,
            threads=spec.threads,
            max_queue=spec.max_queue,
            observer=self._observer,
        )
        self._until = math.inf
        self._job_worker = self._open_job_worker(settings)
        self._server = ReplicaServer(self._endpoint, self._engine, self._outcomes, self._status, self._wake)

    def _open_job_worker(self, settings: Settings) -> JobWorker | None:
        spec = self._spec
        if spec.jobs is None:
            return None
        return JobWorker(
            open_store(
                spec.jobs, Limits(settings.jobs_max_ended, settings.jobs_max_bytes), spec.jobs_service
            ),
            spec.jobs_service,
            self._endpoint,
            self._handler,
            self._engine,
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
        self._server.watch(supervisor.sock, lambda: self._on_commands(supervisor))
        if self._command.owner:
            owner_watch.begin(self._command.owner, self._server.watch, self._server.forget)
        self._server.start()
        threading.Thread(target=self._start_serving, args=(supervisor, on_built), daemon=True).start()
        for _ in range(self._spec.threads - 1):
            threading.Thread(target=self._engine.work, name="model-serving-handler", daemon=True).start()
        self._engine.work()
        self._engine.close(None)
        self._server.end()
        pool.finish(self._until - time.monotonic() - _GIVE_BACK_SECONDS)
        close = getattr(self._handler, "close", None)
        if callable(close):
            close()

    def _start_serving(self, supervisor: SupervisorChannel, on_built: Callable[[], None]) -> None:
        try:
            self._warm_up()
        except BaseException as error:
            fail(supervisor, self._spec, error)
        lifecycle.loaded()
        on_built()
        self._server.listen(self._command.socket)
        supervisor.report(Status(state="ready"))
        if self._job_worker is not None:
            self._job_worker.start()

    def _warm_up(self) -> None:
        """Make the warm-up call, so that no client waits for what is loaded lazily."""
        fields = self._spec.warmup
        if fields is None:
            return
        schema = self._endpoint.schema
        done: Future[None] = Future()

        def finish(result: Any, error: Exception | None) -> None:
            try:
                if error is not None:
                    raise error
                is_stream = type(result) in STREAMS
                check_result(
                    schema,
                    GeneratorItems(result, lambda: None, in_native_thread=False) if is_stream else result,
                )
                done.set_result(None)
            except Exception as wrong:
                done.set_exception(wrong)

        arguments = schema.arguments(Fields(dict(fields)), {})
        parameter = progress.parameter_of(self._handler) if self._job_worker is not None else None
        if parameter is not None:
            arguments[parameter] = progress.JobProgress(lambda fraction, message: False)
        self._engine.submit(QueuedCall(arguments, None, "warmup", on_finish=finish))
        done.result()

    def _on_commands(self, supervisor: SupervisorChannel) -> None:
        for command in supervisor.receive():
            if command.heartbeat:
                supervisor.report(Status(heartbeat=True))
            if command.drain is not None:
                self._until = command.drain
                self._server.drain()
                self._close(command.drain)

    def _close(self, until: float) -> None:
        """Take no more work; give back the jobs that will not be done in time."""
        if self._job_worker is not None:
            self._job_worker.close()
            rest = max(0.0, until - time.monotonic() - _GIVE_BACK_SECONDS)
            timer = threading.Timer(rest, self._job_worker.release)
            timer.daemon = True
            timer.start()
        self._engine.close(0)

    def _settled(self) -> None:
        """Have the server's thread send the replies of a batch, while the handler runs the next one."""
        if self._outcomes is None:
            return
        if self._outcomes.take_has_large():
            large_work.hand_over(self._outcomes.send_replies)
        else:
            self._server.post(self._outcomes.send_replies)

    def _status(self) -> Reply:
        status = {
            "waiting": self._engine.waiting(),
            "running": self._engine.running(),
            "tasks": pool.counts(),
            "batch_sizes": {str(size): times for size, times in sorted(self._observer.sizes.items())},
        }
        return Reply(200, codecs.JSON.encode(status))


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
