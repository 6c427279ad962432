"""What can be asked of an executor whose handler runs in other processes, whatever hosts it there.

Whoever asks knows these protocols and no class, so that another kind of host fits in beside replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.executors import Executor
from aylien_model_serving.rpc.control_messages import ReloadAnswer, Replica


@runtime_checkable
class Hosted(Protocol):
    """Has a handler run in processes that it knows of: for each call, or for jobs that are kept."""

    def ready(self) -> bool:
        """Return whether a call would be answered, or a job claimed."""

    def wake(self) -> None:
        """Have these processes look for jobs."""

    def describe(self, *, with_errors: bool) -> list[dict[str, Any]]:
        """Return what is known of each replica, for operators: number, pid, device, state, restarts and more.

        The pid is 0 for one that has no process on this machine.

        Args:
            with_errors: whether to include why one failed to start.
        """

    def replicas(self) -> Sequence[Replica]:
        """Return the replicas as they were last announced, without asking them."""


@runtime_checkable
class HostedExecutor(Hosted, Executor, Protocol):
    """Sends each call to one of these processes, and waits for its reply."""

    @property
    def takes_batches(self) -> bool:
        """Whether the handler answers several calls at once."""

    def start(self) -> None:
        """Have the processes started, so that the first call does not wait for them."""

    def run_many(self, calls: Sequence[Call]) -> list[Reply | Exception]:
        """Run calls, many at a time, and return the reply of each or what `run` would raise."""

    def reload(self, *, begin: bool) -> ReloadAnswer:
        """Begin to load the handler again, process by process, or ask how that is.

        Raises:
            Unavailable: whoever does it can't be asked.
        """

    def retire(self, within: float) -> None:
        """Have the processes take no more work, finish what they run, and end.

        Args:
            within: seconds that they have; what is left then of jobs goes back into the queue.
        """

    def status_calls(self) -> dict[int, Callable[[], dict[str, Any]]]:
        """Return what fetches each process's own status, by its id."""
