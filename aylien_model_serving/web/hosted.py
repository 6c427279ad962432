"""What a service hosts outside its web workers: the executors of its runners, and replicas in trouble."""

from __future__ import annotations

from collections.abc import Iterator

from aylien_model_serving.rpc.control_messages import Replica
from aylien_model_serving.rpc.hosted import Hosted
from aylien_model_serving.web.state import ServiceState

#: Lines of an error that are shown: the place that raised, and the exception's message.
_MAX_LINES = 6


def executors(state: ServiceState) -> dict[str, Hosted]:
    """Return the executors whose handlers run in replicas or as jobs, by the name of the route or model."""
    of_routes = {
        endpoint.name: endpoint.executor
        for endpoint in state.endpoints
        if isinstance(endpoint.executor, Hosted)
    }
    return {**of_routes, **state.models}


def troubles(state: ServiceState, *, with_errors: bool) -> list[str]:
    """Return a text for each replica that does not take calls.

    Args:
        state: of the service.
        with_errors: whether to include the last lines of why not.
    """
    return [
        "\n".join(_lines(name, replica, with_errors))
        for name, executor in executors(state).items()
        for replica in executor.replicas()
        if replica.state not in ("ready", "idle")
    ]


def _lines(name: str, replica: Replica, with_errors: bool) -> Iterator[str]:
    yield f"{name}, replica {replica.number}: {replica.state}"
    if with_errors:
        yield from replica.error.rstrip().splitlines()[-_MAX_LINES:]
