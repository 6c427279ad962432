"""The dashboard's data at one moment, the same from each process of a service.

Counts come from the metrics that all processes share, replicas from their supervisor, jobs from their store.
A source that fails is reported as an error beside the rest.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from aylien_model_serving.errors import ServingError
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.runner import EnqueueExecutor
from aylien_model_serving.jobs.states import Status
from aylien_model_serving.jobs.view import listed
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.process import owner
from aylien_model_serving.replicas.client.remote_executor import RemoteExecutor
from aylien_model_serving.web import hosted
from aylien_model_serving.web.dashboard import counts
from aylien_model_serving.web.dashboard.counts import HistogramCounts, LabelledHistograms, Samples
from aylien_model_serving.web.jobs import POSTED
from aylien_model_serving.web.state import JobStore, ServiceState

#: Jobs of a snapshot: the latest, and as many of each active state.
_JOBS = 20

#: Characters of a job's message or error in a snapshot.
_MAX_TEXT = 400

_ACTIVE: tuple[Status, ...] = ("processing", "streaming")


def take(state: ServiceState, caller: str | None = None, *, with_errors: bool = False) -> dict[str, Any]:
    """Return a snapshot for JSON; `at` is comparable among those of one instance, `time` is since 1970.

    Args:
        state: of the service.
        caller: whose jobs are listed; None for all.
        with_errors: whether to include why replicas failed.
    """
    host, serving = socket.gethostname(), owner.find()
    samples = counts.by_name(state.instruments.samples())
    seconds = counts.histograms(samples, "flask_http_request_duration_seconds", "endpoint")
    waits = counts.histograms(samples, "model_serving_runner_queue_seconds", "runner")
    sizes = counts.histograms(samples, "model_serving_runner_batch_size", "runner")
    return {
        "at": time.monotonic(),
        "time": time.time(),
        "instance": f"{host} {owner.name_of(serving)}",
        "host": host,
        "process": serving,
        "service": state.settings.service_name,
        "bounds": {"seconds": seconds["bounds"], "waits": waits["bounds"], "sizes": sizes["bounds"]},
        "routes": _routes(state, samples, seconds),
        "runners": _runners(state, samples, waits, sizes, with_errors),
        "jobs": None if state.jobs is None else _jobs(state.jobs, caller),
    }


def _routes(state: ServiceState, samples: Samples, seconds: LabelledHistograms) -> list[dict[str, Any]]:
    """Return the routes in the service's order, then other requested endpoints, each with its counts."""
    statuses = counts.table(samples, "flask_http_request_duration_seconds_count", "endpoint", "status")
    cache = counts.table(samples, "model_serving_cache_total", "endpoint", "result")
    described = {known.route.name: _described(known) for known in state.routes}
    own = {f"{known.route.name}{POSTED}" for known in state.routes if known.is_own}
    others: dict[str, dict[str, Any]] = {
        name: {"name": name, "own": name in own} for name in statuses if name not in described
    }
    return [
        {
            **route,
            **_counts_of(seconds, name),
            "statuses": statuses.get(name, {}),
            "cache": cache.get(name, {}),
        }
        for name, route in (described | others).items()
    ]


def _described(known: DescribedRoute) -> dict[str, Any]:
    route = known.route
    return {
        "name": route.name,
        "path": route.endpoint,
        "methods": list(route.methods),
        "own": known.is_own,
        "cached": route.cache is not False,
        "runner": route.runner is not None,
        "job": route.job is not None,
    }


def _counts_of(histograms: LabelledHistograms, name: str) -> HistogramCounts:
    return histograms["of"].get(name) or {"sum": 0.0, "counts": [0.0] * (len(histograms["bounds"]) + 1)}


def _runners(
    state: ServiceState,
    samples: Samples,
    waits: LabelledHistograms,
    sizes: LabelledHistograms,
    with_errors: bool,
) -> list[dict[str, Any]]:
    in_flight = counts.totals(samples, "model_serving_runner_in_flight", "runner")
    dropped = counts.table(samples, "model_serving_runner_dropped_total", "runner", "reason")
    batches = {known.route.name for known in state.routes if known.route.batch is not None}
    return [
        {
            "name": name,
            **_replicas(executor, with_errors=with_errors),
            "batches": name in batches,
            "waits": _counts_of(waits, name),
            "sizes": _counts_of(sizes, name),
            "in_flight": in_flight.get(name, 0.0),
            "dropped": dropped.get(name, {}),
        }
        for name, executor in hosted.executors(state).items()
    ]


def _replicas(runner: RemoteExecutor | EnqueueExecutor, *, with_errors: bool) -> dict[str, Any]:
    try:
        return {"replicas": runner.describe(with_errors=with_errors)}
    except (ServingError, OSError) as error:
        text = str(error) if isinstance(error, ServingError) else "The runner can't be asked"
        return {"replicas": [], "error": text}


def _jobs(jobs: JobStore, caller: str | None) -> dict[str, Any]:
    try:
        latest = jobs.store.page(jobs.service, caller=caller, limit=_JOBS)
        active = [
            job
            for status in _ACTIVE
            for job in jobs.store.page(jobs.service, caller=caller, status=status, limit=_JOBS)
        ]
        found = {job.number: job for job in (*latest, *active)}
        ordered = [found[number] for number in sorted(found, reverse=True)]
        return {"counts": jobs.store.counts(jobs.service), "latest": [_shortened(job) for job in ordered]}
    except ServingError as error:
        return {"counts": {}, "latest": [], "error": str(error)}


def _shortened(job: JobRecord) -> dict[str, Any]:
    shown = dict[str, Any](listed(job))
    return {
        name: value[:_MAX_TEXT] if name in ("message", "error") else value for name, value in shown.items()
    }
