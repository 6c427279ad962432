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
from aylien_model_serving.jobs.states import Status
from aylien_model_serving.jobs.view import listed
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.process import owner
from aylien_model_serving.rpc.hosted import Hosted
from aylien_model_serving.web import hosted
from aylien_model_serving.web.dashboard import counts, processes
from aylien_model_serving.web.dashboard.counts import HistogramCounts, LabelledHistograms, Samples
from aylien_model_serving.web.state import JobStore, ServiceState

#: Jobs of a snapshot: the latest, and as many of each active state.
_JOBS = 20

#: Characters of a job's message or error in a snapshot.
_MAX_TEXT = 400

#: Failures of a snapshot.
_FAILURES = 20

#: The histograms of a snapshot, and the label by which each is grouped.
_HISTOGRAMS = (
    ("flask_http_request_duration_seconds", "endpoint"),
    ("model_serving_runner_queue_seconds", "runner"),
    ("model_serving_runner_batch_size", "runner"),
    ("model_serving_handler_seconds", "endpoint"),
)

#: All series of a snapshot.
_SERIES = frozenset(
    {
        "model_serving_cache_total",
        "model_serving_runner_in_flight",
        "model_serving_runner_dropped_total",
        *(f"{name}_{part}" for name, _ in _HISTOGRAMS for part in ("bucket", "sum", "count")),
    }
)

_ACTIVE: tuple[Status, ...] = ("processing", "streaming")


def take(state: ServiceState, caller: str | None = None, *, with_errors: bool = False) -> dict[str, Any]:
    """Return a snapshot for JSON; `at` is comparable among those of one instance, `time` is since 1970.

    Args:
        state: of the service.
        caller: whose jobs are listed; None for all.
        with_errors: whether to include why replicas failed.
    """
    found = take_counts(state)
    runners = [
        {**runner, **_replicas(hosted.executors(state)[runner["name"]], with_errors=with_errors)}
        for runner in found["runners"]
    ]
    return {
        **found,
        "host": socket.gethostname(),
        "process": owner.find(),
        "service": state.settings.service_name,
        "runners": runners,
        "calls": state.calls,
        "jobs": None if state.jobs is None else _jobs(state.jobs, caller),
        "processes": processes.describe(runners),
        "failures": _failures(state, with_errors=with_errors),
    }


def take_past(state: ServiceState) -> dict[str, Any]:
    """Return what a later page needs of this moment: the counts of all that has been called."""
    found = take_counts(state)
    routes = ("name", "statuses", "sum", "counts", "cache")
    runners = ("name", "waits", "sizes", "runs")
    return {
        "at": found["at"],
        "instance": found["instance"],
        "routes": [{name: route[name] for name in routes} for route in found["routes"] if route["statuses"]],
        "runners": [{name: runner[name] for name in runners} for runner in found["runners"]],
    }


def take_counts(state: ServiceState) -> dict[str, Any]:
    """Return the part of a snapshot that is the same for all readers and that rates are computed from."""
    samples = counts.by_name(state.instruments.samples(_SERIES))
    seconds, waits, sizes, runs = (counts.histograms(samples, name, label) for name, label in _HISTOGRAMS)
    return {
        "at": time.monotonic(),
        "time": time.time(),
        "instance": f"{socket.gethostname()} {owner.name_of(owner.find())}",
        "bounds": {"seconds": seconds["bounds"], "waits": waits["bounds"], "sizes": sizes["bounds"]},
        "routes": _routes(state, samples, seconds),
        "runners": _runners(state, samples, waits, sizes, runs),
    }


def _routes(state: ServiceState, samples: Samples, seconds: LabelledHistograms) -> list[dict[str, Any]]:
    """Return the routes in the service's order, then other requested endpoints, each with its counts."""
    statuses = counts.table(samples, "flask_http_request_duration_seconds_count", "endpoint", "status")
    cache = counts.table(samples, "model_serving_cache_total", "endpoint", "result")
    described = {known.route.name: _described(known) for known in state.routes}
    others: dict[str, dict[str, Any]] = {
        name: {"name": name, "own": False} for name in statuses if name not in described
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
    runs: LabelledHistograms,
) -> list[dict[str, Any]]:
    in_flight = counts.totals(samples, "model_serving_runner_in_flight", "runner")
    dropped = counts.table(samples, "model_serving_runner_dropped_total", "runner", "reason")
    batches = {known.route.name for known in state.routes if known.route.batch is not None}
    batches |= {name for name, model in state.models.items() if model.takes_batches}
    return [
        {
            "name": name,
            "batches": name in batches,
            "waits": _counts_of(waits, name),
            "sizes": _counts_of(sizes, name),
            "runs": _counts_of(runs, name),
            "in_flight": in_flight.get(name, 0.0),
            "dropped": dropped.get(name, {}),
        }
        for name in hosted.executors(state)
    ]


def _replicas(runner: Hosted, *, with_errors: bool) -> dict[str, Any]:
    try:
        return {"replicas": runner.describe(with_errors=with_errors)}
    except (ServingError, OSError) as error:
        text = str(error) if isinstance(error, ServingError) else "The runner can't be asked"
        return {"replicas": [], "error": text}


def _failures(state: ServiceState, *, with_errors: bool) -> list[dict[str, Any]]:
    """Return the last failures; what raised them only to those who may see errors."""
    names = ("at", "route", "method", "status", "request_id", *(("kind", "place") if with_errors else ()))
    return [
        {name: getattr(failure, name) for name in names} for failure in state.failures.latest()[:_FAILURES]
    ]


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
