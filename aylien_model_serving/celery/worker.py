"""A worker of Celery: what it learns before it looks for messages, and what it refuses to be."""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aylien_model_serving.celery.pool_process import PoolProcess
from aylien_model_serving.celery.steward import Steward
from aylien_model_serving.core.settings import variables
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.broker import messages
from aylien_model_serving.process import lifecycle, owner
from aylien_model_serving.service import Service
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.hosted_jobs import HostedJobs, hosted_jobs

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)


class JobsWorker:
    """One worker: its main process, and after a fork each process of its pool.

    Args:
        app: of Celery's.
        source: of the jobs, as `create_celery_app` takes it.
    """

    def __init__(self, app: Celery, source: Any) -> None:
        self._app = app
        self._source = source
        self._jobs: HostedJobs | None = None
        self._home: Path | None = None
        self._steward: Steward | None = None
        self._process: PoolProcess | None = None

    def connect(self) -> None:
        """Have Celery call what follows, in this order."""
        from celery import signals

        signals.celeryd_init.connect(self._configure, weak=False)
        signals.worker_init.connect(self._check, weak=False)
        signals.worker_process_init.connect(self._load, weak=False)
        signals.worker_ready.connect(self._begin, weak=False)
        signals.worker_process_shutdown.connect(self._close, weak=False)
        signals.worker_shutdown.connect(self._end, weak=False)

    def _configure(self, instance: Any, conf: Any, **_: Any) -> None:
        """Learn what jobs there are, before Celery looks for queues and tasks."""
        if instance.app is not self._app:
            return
        with _stopping():
            self._jobs = hosted_jobs(_inspected(self._source))
            _refuse_other_brokers(self._jobs.settings.jobs_broker, conf)
        self._home = owner.folder(os.getpid())
        if os.getcwd() not in sys.path:  # where Celery finds modules, and replicas of models have to
            sys.path.insert(0, os.getcwd())
        conf.broker_transport_options = {
            **messages.transport_options(conf.broker_url),
            **conf.broker_transport_options,
        }
        conf.task_queues = [*(conf.task_queues or ()), *map(self._queue_of, self._routes())]
        for route in self._routes():
            name = messages.task_name(self._jobs.service, route)
            options = {"acks_late": True, "reject_on_worker_lost": True, "ignore_result": True}
            self._app.task(name=name, **options)(_named(partial(self._run, route), route))

    def _routes(self) -> list[str]:
        return [] if self._jobs is None else [spec.name for spec in self._jobs.specs]

    def _queue_of(self, route: str) -> Any:
        assert self._jobs is not None
        return messages.queue_of(self._jobs.service, route)

    def _check(self, sender: Any, **_: Any) -> None:
        """Refuse pools that can't end a job, and queues of which none has jobs."""
        from celery.concurrency import get_implementation
        from celery.concurrency.prefork import TaskPool

        if self._jobs is None:
            return
        with _stopping():
            if not issubclass(get_implementation(sender.pool_cls), TaskPool):
                raise ConfigurationError(
                    "a job has a process that can be ended with it: start the worker with --pool prefork"
                )
            known = [self._queue_of(route).name for route in self._routes()]
            if not set(known) & set(self._app.amqp.queues.consume_from):
                raise ConfigurationError(f"--queues: none of them has jobs: these are {', '.join(known)}")

    def _begin(self, **_: Any) -> None:
        if self._jobs is not None:
            self._steward = Steward(self._jobs, self._app)
            self._steward.start()

    def _end(self, **_: Any) -> None:
        if self._steward is not None:
            self._steward.close()
            owner.remove_folder(os.getpid())

    def _load(self, **_: Any) -> None:
        """Load the handlers of those queues that this worker consumes, in each process of its pool."""
        if self._jobs is not None:
            self._of_this_process().load(self._app.amqp.queues.consume_from)

    def _close(self, **_: Any) -> None:
        if self._process is not None and self._process.is_this:
            self._process.close()

    def _run(self, route: str) -> str | None:
        return self._of_this_process().run_next(route)

    def _of_this_process(self) -> PoolProcess:
        assert self._jobs is not None
        assert self._home is not None
        if self._process is None or not self._process.is_this:
            self._process = PoolProcess(self._jobs, self._home)
        return self._process


@contextmanager
def _stopping() -> Iterator[None]:
    """End the process with a sentence where something is wrong: Celery would only log it."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, ConfigurationError):
            logger.exception("The service can't be made")
        raise SystemExit(f"The jobs can't be worked on: {error}") from None


def _refuse_other_brokers(broker: str | None, conf: Any) -> None:
    """Refuse a worker that would listen elsewhere than where messages are sent."""
    if broker is None:
        raise ConfigurationError("MODEL_SERVING_JOBS_BROKER: Celery's workers need its URL")
    others = variables("CELERY_BROKER_")
    if {*others.values(), conf.broker_url, conf.broker_read_url or broker} != {broker}:
        source = next(iter(others), "the configuration of Celery")
        raise ConfigurationError(
            f"{source} names another broker: MODEL_SERVING_JOBS_BROKER names it, for the service as well"
        )
    if "global_keyprefix" in conf.broker_transport_options:
        raise ConfigurationError(
            "broker_transport_options: with a global_keyprefix the queues would not be those of the service"
        )


def _inspected(source: Any) -> ServingFlask:
    """Return the app of a service, none of whose handlers is built.

    Raises:
        ConfigurationError: it is none, or is wrong.
    """
    lifecycle.is_inspecting = True
    try:
        made = source() if inspect.isfunction(source) else source
        app = made.build() if isinstance(made, Service) else made
    finally:
        lifecycle.is_inspecting = False
    if not isinstance(app, ServingFlask):
        raise ConfigurationError(
            "create_celery_app takes a Service, an app that create_app returned, or a function that returns "
            f"one of them, and not {type(app).__name__}"
        )
    return app


def _named(function: Callable[[], str | None], name: str) -> Callable[[], str | None]:
    def run() -> str | None:
        return function()

    run.__doc__ = f"Run the next job of {name}, and return its id."
    return run
