"""Makes the app of Celery's whose workers run a service's jobs."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from aylien_model_serving.celery.pool_process import PoolProcess
from aylien_model_serving.celery.steward import Steward
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.broker import messages
from aylien_model_serving.process import lifecycle, native_threads, owner
from aylien_model_serving.service import Service
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.hosted_jobs import HostedJobs, hosted_jobs

if TYPE_CHECKING:
    from celery import Celery

#: Seconds that a process of Celery's pool may take to load the handlers.
_LOAD_SECONDS = 600.0

#: What Celery's workers are told of messages that mean a job each, which is under a lease while it runs.
_OPTIONS: dict[str, Any] = {
    "broker_connection_max_retries": None,
    "broker_connection_retry_on_startup": True,
    "broker_connection_timeout": messages.CONNECT_SECONDS,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "worker_proc_alive_timeout": _LOAD_SECONDS,
}


def _is_celery_command() -> bool:
    """Return whether this process is one of Celery's commands, which serves nothing."""
    main = getattr(sys.modules["__main__"], "__spec__", None)
    return PurePath("".join(sys.argv[:1])).name == "celery" or getattr(main, "name", "").startswith("celery.")


# Modules that make their app when they are imported import this before.
if _is_celery_command():
    lifecycle.is_inspecting = True


def create_celery_app(source: Any) -> Celery:
    """Return an app whose workers run the jobs of a service.

    Nothing is built or connected before a worker starts, so a module may have this beside its service.

    Args:
        source: the service: a `Service`, an app, or the function that returns one of them.

    Raises:
        ConfigurationError: Celery is missing.
    """
    app = messages.create_celery(**_OPTIONS)
    app.add_defaults(_broker_options)
    worker = _Worker(app, source)
    worker.connect()
    return app


def _broker_options() -> dict[str, Any]:
    """Return where the broker is, for all of Celery's commands, once one asks."""
    broker = Settings.load_public("jobs_broker").jobs_broker
    return {"broker_url": broker, "broker_read_url": broker, "broker_write_url": broker}


class _Worker:
    """One worker: its main process, and after a fork each process of its pool.

    Args:
        app: of Celery's.
        source: of the jobs.
    """

    def __init__(self, app: Celery, source: Any) -> None:
        self._app = app
        self._source = source
        self._jobs: HostedJobs | None = None
        self._home: Path | None = None
        self._steward: Steward | None = None
        self._process: PoolProcess | None = None

    def connect(self) -> None:
        """Have Celery call what follows."""
        from celery import signals

        signals.celeryd_init.connect(self._configure, weak=False)
        signals.worker_ready.connect(self._begin, weak=False)
        signals.worker_process_init.connect(self._load, weak=False)
        signals.worker_shutdown.connect(self._end, weak=False)

    def _configure(self, instance: Any, conf: Any, **_: Any) -> None:
        """Learn what jobs there are, before Celery looks for queues and tasks."""
        if instance.app is not self._app:
            return
        try:
            _refuse_gevent()
            self._jobs = hosted_jobs(_inspected(self._source))
            broker = self._jobs.settings.jobs_broker
            if broker is None:
                raise ConfigurationError("MODEL_SERVING_JOBS_BROKER: Celery's workers need its URL")
        except ConfigurationError as error:
            raise SystemExit(f"The jobs can't be worked on: {error}") from None
        self._home = owner.folder(os.getpid())
        if os.getcwd() not in sys.path:  # where Celery finds modules, and replicas of models have to
            sys.path.insert(0, os.getcwd())
        service = self._jobs.service
        conf.broker_transport_options = {
            **messages.transport_options(broker),
            **conf.broker_transport_options,
        }
        conf.task_queues = [messages.queue_of(service, spec.name) for spec in self._jobs.specs]
        for spec in self._jobs.specs:
            run = partial(self._run, spec.name)
            self._app.task(name=messages.task_name(service, spec.name))(_named(run, spec.name))

    def _begin(self, sender: Any, **_: Any) -> None:
        from celery.concurrency.prefork import TaskPool

        if self._jobs is not None:
            self._steward = Steward(self._jobs, self._app)
            self._steward.start()
            if not isinstance(sender.pool, TaskPool):  # no process of a pool has loaded anything
                self._load()

    def _end(self, **_: Any) -> None:
        if self._steward is not None:
            self._steward.close()
            owner.remove_folder(os.getpid())

    def _load(self, **_: Any) -> None:
        """Load the handlers of those queues that this worker consumes, in each process of its pool."""
        if self._jobs is not None:
            self._of_this_process().load(self._app.amqp.queues.consume_from)

    def _run(self, route: str) -> str | None:
        return self._of_this_process().run_next(route)

    def _of_this_process(self) -> PoolProcess:
        assert self._jobs is not None
        assert self._home is not None
        if self._process is None or not self._process.is_this:
            self._process = PoolProcess(self._jobs, self._home)
        return self._process


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


def _refuse_gevent() -> None:
    if native_threads.is_patched():
        raise ConfigurationError(
            "pools of greenlets keep handlers from each other: start the worker with --pool prefork, solo "
            "or threads"
        )
