"""The reload of a runner's weights: asked for, and followed until it is over.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from aylien_model_serving.client.effects import ApiRequest, Effects, Sleep
from aylien_model_serving.client.errors import NotUnderstood, TimedOut
from aylien_model_serving.client.options import ClockAndRandom, Options
from aylien_model_serving.client.responses import parse_response
from aylien_model_serving.client.retry import send

#: Seconds between two questions for how it is.
_POLL_INTERVAL = 0.2

#: Seconds that the service has for an answer, however little of the timeout is left.
_LEAST_PATIENCE = 1.0


@dataclass(frozen=True)
class RunnerReload:
    """A reload of a runner's weights, as it was when the service was asked.

    Args:
        id: distinguishes it from others of the runner.
        state: running, done or failed.
        replaced: replicas that have been replaced.
        replicas: how many there are to replace; 0 of a runner that is unloaded.
        error: why it failed: the last line of what was raised where a replica was loaded.
    """

    id: str
    state: str
    replaced: int
    replicas: int
    error: str = ""


def run(name: str, options: Options, clock: ClockAndRandom) -> Effects:
    """Have a runner's weights loaded again, and return how that ended.

    Args:
        name: of the runner, that is of its route or model.
        options: of the calls; the timeout is for all of it.
        clock: the clock and the random source.

    Raises:
        TimedOut: it goes on.
    """
    deadline = clock.now() + options.timeout
    path = f"/__runners/{quote(name, safe='')}/reload"
    first = _parse(parse_response((yield from send(ApiRequest("POST", path), options, clock))))
    found = first
    while found.state == "running":
        left = deadline - clock.now() - _POLL_INTERVAL
        if left <= 0:
            raise TimedOut(
                f"{found.replaced} of {found.replicas} replicas were replaced within {options.timeout:g} "
                "seconds; the service goes on"
            )
        yield Sleep(_POLL_INTERVAL)
        request = ApiRequest("GET", path, idempotent=True)
        patience = replace(options, timeout=max(left, _LEAST_PATIENCE))
        found = _parse(parse_response((yield from send(request, patience, clock))))
        if found.id != first.id:
            raise NotUnderstood("Another reload has begun since this one ended, which hides how it did")
    return found


def _parse(members: Any) -> RunnerReload:
    try:
        return RunnerReload(
            str(members["id"]),
            str(members["state"]),
            int(members["replaced"]),
            int(members["replicas"]),
            str(members.get("error", "")),
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise NotUnderstood("The answer tells of no reload") from error
