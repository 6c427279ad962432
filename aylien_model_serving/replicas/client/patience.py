"""How long a call waits for a replica to take it: as long as one may come."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from aylien_model_serving.errors import ConfigurationError, DeadlineExceeded, Unavailable
from aylien_model_serving.process import lifecycle
from aylien_model_serving.replicas.client.supervisor_client import Replica, SupervisorClient

#: Seconds that a call waits for a replica that died right after its start; its next start may be far off.
_CRASH_LOOP_WAIT = 2.0


class ReplicaError(Exception):
    """Why a runner's replica can't be built or has died, for the log of who called it."""


def longest_wait(
    name: str,
    replicas: Sequence[Replica],
    lost: Collection[str],
    started_by: float,
    since: float,
    deadline: float | None,
) -> float:
    """Return the seconds that a call may wait from here on.

    Args:
        name: of the runner.
        replicas: as they were last announced.
        lost: sockets of those that were found to be gone.
        started_by: `time.monotonic()` seconds by which a replica that starts has to be there.
        since: when the wait began.
        deadline: of the call.

    Raises:
        Unavailable: no replica is starting, or the wait has lasted too long.
        DeadlineExceeded: the deadline has passed.
    """
    states = {
        replica.state
        for replica in replicas
        if replica.state != "unresponsive" or replica.socket in lost  # it is about to be replaced
    }
    if not replicas:
        states = {"starting"}
    until = since + _CRASH_LOOP_WAIT if states <= {"waiting", "draining"} else started_by
    is_hopeless = states <= {"failed"} or SupervisorClient.of_process().is_owner_gone
    if is_hopeless or time.monotonic() >= until:
        raise Unavailable(f"{name} has no live replica at the moment") from _cause(replicas)
    if deadline is not None and time.monotonic() >= deadline:
        raise DeadlineExceeded
    return (until if deadline is None else min(until, deadline)) - time.monotonic()


def check_is_loaded(name: str) -> None:
    """Refuse a call for which a replica would wait for itself.

    Args:
        name: of the runner that is called.

    Raises:
        ConfigurationError: this process is a replica of the runner, and still loads it.
    """
    if name == lifecycle.loads:
        raise ConfigurationError(
            f"{name} is called while its own replica loads it, which imports the module that calls it: put "
            'the call below `if __name__ == "__main__":`, or into a function'
        )


def _cause(replicas: Sequence[Replica]) -> ReplicaError | None:
    errors = [replica.error for replica in replicas if replica.error]
    return ReplicaError(errors[0].strip().rpartition("\n")[2]) if errors else None
