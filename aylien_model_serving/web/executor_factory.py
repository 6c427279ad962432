"""Creates the executor of a route: in replicas, in batches within this process, or inline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, TypeAlias

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors import Executor
from aylien_model_serving.executors.batched import BatchedExecutor
from aylien_model_serving.executors.inline import MAX_QUEUE, InlineExecutor
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.jobs import webhooks
from aylien_model_serving.jobs.job import NewJob
from aylien_model_serving.jobs.runner import EnqueueExecutor
from aylien_model_serving.jobs.worker.celery_workers import CeleryWorkers
from aylien_model_serving.jobs.worker.elsewhere import ElsewhereWorkers
from aylien_model_serving.jobs.worker.in_process import InProcessWorker
from aylien_model_serving.models import hosting
from aylien_model_serving.replicas.client import hosted_code
from aylien_model_serving.replicas.client.remote_executor import RemoteExecutor
from aylien_model_serving.routing.options import JobOptions
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.rpc import spec
from aylien_model_serving.rpc.hosted import Hosted
from aylien_model_serving.schemas import Schema
from aylien_model_serving.servers import import_paths
from aylien_model_serving.web.adapters.flask import accept_aborts
from aylien_model_serving.web.state import ServiceState

_SchemaNames: TypeAlias = str | tuple[str | None, str | None] | None


def choose(
    state: ServiceState, route: Route, handler: Callable[..., Any], signature: Signature, schema: Schema
) -> Executor:
    """Return the executor for a route.

    Args:
        state: of the service.
        route: the route.
        handler: the callable; for one that replicas run, only its signature is real.
        signature: of the handler.
        schema: validates input and output.

    Raises:
        ConfigurationError: another process can't find the handler or its schema by name.
    """
    if route.job is not None and not state.settings.runs_jobs:
        import_names(route)  # the workers will: a mistake shows here as it does there
        return _job_executor(state, route, route.job, _workers_elsewhere(state, route))
    if route.job is not None and state.jobs is not None and state.jobs.is_memory:
        return _job_executor(
            state, route, route.job, _in_process_worker(state, route, route.job, handler, signature, schema)
        )
    if route.runner is not None:
        hosted = RemoteExecutor(
            _spec(state, route),
            state.instruments.waiting_for_replica(route.name),
            state.waiters,
        )
        hosted.start()
        return hosted if route.job is None else _job_executor(state, route, route.job, hosted)
    observer = state.instruments.of_handler(route.name)
    if route.batch is not None:
        return BatchedExecutor(
            handler,
            signature,
            route.batch,
            route.threads,
            observer,
            hosting.engine_queue(route),
            route.native_threads,
            state.waiters,
            schema.streams,
        )
    return InlineExecutor(
        accept_aborts(handler, state.error_responses),
        signature,
        route.threads,
        observer,
        max_queue=route.max_queue or MAX_QUEUE,
        waiters=state.waiters,
        native=route.native_threads,
    )


def _workers_elsewhere(state: ServiceState, route: Route) -> Hosted:
    assert state.jobs is not None
    sender = state.jobs.sender
    return ElsewhereWorkers() if sender is None else CeleryWorkers(sender, route.name)


def _in_process_worker(
    state: ServiceState,
    route: Route,
    options: JobOptions,
    handler: Callable[..., Any],
    signature: Signature,
    schema: Schema,
) -> InProcessWorker:
    """Return the worker for jobs of a store that belongs to this process alone."""
    assert state.jobs is not None
    endpoint = Endpoint(
        name=route.name,
        identity=route.name,
        schema=schema,
        executor=InlineExecutor(handler, signature, route.threads, state.instruments.of_handler(route.name)),
        instruments=state.instruments,
        error_responses=state.error_responses,
    )
    return InProcessWorker(
        state.jobs.store,
        state.jobs.service,
        endpoint,
        handler,
        signature,
        slots=route.threads,
        grace=options.grace,
        settings=state.settings,
    )


def _job_executor(state: ServiceState, route: Route, options: JobOptions, workers: Hosted) -> EnqueueExecutor:
    """Return the executor that stores calls as jobs for workers."""
    assert state.jobs is not None
    template = partial(
        NewJob,
        service=state.jobs.service,
        route=route.name,
        priority=options.priority,
        retries=options.retries,
        timeout=options.timeout,
        keep=options.keep,
        queue_size=options.queue_size,
    )
    check = partial(webhooks.check, state.settings.webhook_allow)
    return EnqueueExecutor(state.jobs.store, template, check, workers)


def _spec(state: ServiceState, route: Route) -> spec.Spec:
    if state.settings.reload:
        hosted_code.begin()
    return spec_of(state, route)


def spec_of(state: ServiceState, route: Route) -> spec.Spec:
    """Return what the replicas of a route host.

    Raises:
        ConfigurationError: another process can't find something of it by name.
    """
    target, context, schema = import_names(route)
    return hosting.spec_of(
        route,
        state.instruments.number,
        target=target,
        service_name=state.settings.service_name,
        context=context,
        takes_body=route.binding.takes_body,
        schema=schema,
        oip=is_asked_for(state.settings, route),
        jobs=state.jobs.url if route.job is not None and state.jobs is not None else None,
        jobs_service=state.jobs.service if state.jobs is not None else "",
        jobs_grace=JobOptions.grace if route.job is None else route.job.grace,
        webhook_secret=None if route.job is None else state.settings.webhook_secret,
    )


def is_asked_for(settings: Settings, route: Route) -> bool:
    """Return whether a route is to be a model of the Open Inference Protocol."""
    return settings.oip if route.oip is None else route.oip


def import_names(route: Route) -> tuple[str, str | None, _SchemaNames]:
    """Return the names by which a replica imports a route's handler, its service's context and its schema.

    Raises:
        ConfigurationError: another process can't find one of them.
    """
    try:
        target, context = spec.import_name_of(route.callable), _context_name(route)
    except ConfigurationError as error:
        raise ConfigurationError(f"key 'callable': {error}") from error
    try:
        return target, context, _schema_names(route.schema)
    except ConfigurationError as error:
        raise ConfigurationError(f"key 'schema': {error}") from error


def _context_name(route: Route) -> str | None:
    """Return the import name of the service context of a route's handler."""
    context = route.binding.context
    if context is None or not route.binding.is_needed(route.callable):
        return None
    return f"{import_paths.importable_name(context.owner)}.{context.attribute}"


def _schema_names(schema: Any) -> _SchemaNames:
    """Return the import names of a schema's messages."""
    if schema is None:
        return None
    if isinstance(schema, ModuleType):
        return schema.__name__
    request, response = schema if isinstance(schema, (tuple, list)) else (schema.Request, schema.Response)
    return _name_or_none(request), _name_or_none(response)


def _name_or_none(kind: Any) -> str | None:
    return None if kind is None else spec.import_name_of(kind)
