"""The gauges of a service that are read when they are scraped: its jobs, and its runners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import get_args

from aylien_model_serving.jobs.states import STATUSES
from aylien_model_serving.metrics.gauges import JobsGauge, RunnerQueuesGauge, RunnerReplicasGauge
from aylien_model_serving.rpc.control_messages import Replica, State
from aylien_model_serving.rpc.hosted import HostedExecutor
from aylien_model_serving.web import hosted
from aylien_model_serving.web.state import ServiceState


def register(state: ServiceState) -> None:
    """Have scrapes show them, for what the service has by now."""
    runners = {
        name: executor.status_calls
        for name, executor in hosted.executors(state).items()
        if isinstance(executor, HostedExecutor)
    }
    if runners:
        state.instruments.add(RunnerQueuesGauge(state.instruments.number, runners))
    replicas = {
        name: partial(_states, executor.replicas) for name, executor in hosted.executors(state).items()
    }
    if replicas:
        state.instruments.add(RunnerReplicasGauge(state.instruments.number, get_args(State), replicas))
    if state.jobs is not None:
        routes = [described.route.name for described in state.routes if described.route.job is not None]
        state.instruments.add(
            JobsGauge(routes, STATUSES, partial(state.jobs.store.counts, state.jobs.service))
        )


def _states(replicas: Callable[[], Sequence[Replica]]) -> Iterator[str]:
    return (replica.state for replica in replicas())
