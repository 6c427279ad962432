"""A built handler and the engine that runs it, with its endpoint, its health and its records.

Knows nothing of who sends calls: a replica of this machine puts this behind a server, one of a Ray cluster
behind a deployment of Ray Serve.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.pipeline import check_result
from aylien_model_serving.executors.continuous import ContinuousEngine
from aylien_model_serving.executors.engine import Engine, QueuedCall
from aylien_model_serving.executors.generators import GeneratorItems, is_stream
from aylien_model_serving.executors.queue import CallEngine
from aylien_model_serving.executors.senders import Senders
from aylien_model_serving.handlers.steps import SteppedHandler
from aylien_model_serving.jobs import progress
from aylien_model_serving.metrics.runners import RunnerInstruments
from aylien_model_serving.replicas.replica import health_watch, loader
from aylien_model_serving.replicas.replica.observer import RunInstruments, RunObserver
from aylien_model_serving.replicas.replica.request import OutcomeBuffer
from aylien_model_serving.rpc.flight_recorder import FlightRecorder
from aylien_model_serving.rpc.spec import Spec
from aylien_model_serving.schemas import handler_hints

logger = logging.getLogger(__name__)


class HostedEngine:
    """What a spec names, built and ready to run.

    Args:
        spec: what is hosted.
        settings: limits and switches.
        device: what an argument `device` of the class gets.
        home: the folder of the service's owner.
        record: path of the flight recorder.
        settled: called when all calls of a batch have their outcomes.
        on_exhausted: called when what is left of a GPU's memory is not enough.
        instruments: the metrics of this runner; those that the service's processes share when omitted.
    """

    def __init__(
        self,
        spec: Spec,
        settings: Settings,
        device: str,
        home: Path,
        record: str,
        settled: Callable[[], None],
        on_exhausted: Callable[[], None],
        instruments: RunInstruments | None = None,
    ) -> None:
        self._spec = spec
        self.handler = loader.build(spec, device)
        self.endpoint = loader.endpoint_of(spec, self.handler, settings, home)
        self.hints = loader.hints_of_methods(self.handler, spec)
        instruments = instruments or RunnerInstruments(spec.name, self.endpoint.instruments)
        streams = spec.batching is not None and handler_hints.is_stream(self.handler)
        self.outcomes = OutcomeBuffer() if spec.batching is not None and not streams else None
        self._senders = Senders(spec.threads * self._most_calls()) if streams else None
        recorder = FlightRecorder(record, spec.threads, self._most_calls())
        if recorder.error is not None:
            logger.warning("Which calls of %s run is not recorded: %s", spec.name, recorder.error)
        self.observer = RunObserver(recorder, instruments, settled)
        self.engine = self._create_engine(on_exhausted)
        self.health = health_watch.of(spec, self.handler, instruments.set_healthy)

    def _most_calls(self) -> int:
        """Return how many calls one run may be for."""
        if isinstance(self.handler, SteppedHandler):
            return self.handler.max_active
        return self._spec.batching.max_size if self._spec.batching else 1

    def _create_engine(self, on_exhausted: Callable[[], None]) -> CallEngine:
        spec, handler = self._spec, self.handler
        signature = loader.signature_of(handler, spec)
        if isinstance(handler, SteppedHandler):
            return ContinuousEngine(handler, signature, max_queue=spec.max_queue, observer=self.observer)
        return Engine(
            handler,
            signature,
            batching=loader.batching_of(spec),
            threads=spec.threads,
            max_queue=spec.max_queue,
            observer=self.observer,
            on_exhausted=on_exhausted,
            streaming=self._senders is not None,
            senders=self._senders,
        )

    def warm_up(self) -> None:
        """Make the warm-up call, so that no client waits for what is loaded lazily.

        Raises:
            Exception: it failed, or the handler is not well.
        """
        if self._spec.warmup is not None:
            self._call(self._spec.warmup)
        if self.health is not None:
            self.health.check()

    def _call(self, fields: dict[str, Any]) -> None:
        schema = self.endpoint.schema
        done: Future[None] = Future()

        def finish(result: Any, error: Exception | None) -> None:
            try:
                if error is not None:
                    raise error
                if is_stream(result):
                    result = GeneratorItems(result, lambda: None, in_native_thread=False)
                check_result(schema, result)
                done.set_result(None)
            except Exception as wrong:
                done.set_exception(wrong)

        arguments = schema.warmup_arguments(fields)
        parameter = progress.parameter_of(self.handler) if self._spec.jobs is not None else None
        if parameter is not None:
            arguments[parameter] = progress.JobProgress(lambda fraction, message: False)
        self.engine.submit(QueuedCall(arguments, None, "warmup", on_finish=finish))
        done.result()

    def close_senders(self) -> None:
        """Wait for what is being sent of streams."""
        if self._senders is not None:
            self._senders.close()

    def close_handler(self) -> None:
        """Call the handler's `close`, if it has one."""
        close = getattr(self.handler, "close", None)
        if callable(close):
            close()

    def status(self) -> dict[str, Any]:
        """Return how many calls wait and run, and what is known of batches, health and memory."""
        status: dict[str, Any] = {
            "waiting": self.engine.waiting(),
            "running": self.engine.running(),
            "batch_sizes": {str(size): times for size, times in sorted(self.observer.sizes.items())},
        }
        if self.health is not None:
            status["healthy"] = self.health.is_healthy
        if self._spec.batching is not None and isinstance(self.engine, Engine):
            status["max_batch"] = self.engine.max_batch()
        gpu_bytes = _gpu_bytes()
        if gpu_bytes is not None:
            status["gpu_bytes"] = gpu_bytes
        return status


def _gpu_bytes() -> int | None:
    """Return what PyTorch holds on this process's GPUs, in use and for reuse; None where it uses none."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)  # None also while the handler still imports it
    if cuda is None or not cuda.is_initialized():
        return None
    return sum(int(cuda.memory_reserved(device)) for device in range(cuda.device_count()))
