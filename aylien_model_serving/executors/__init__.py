"""Executors: how and where a handler runs.

`inline` runs it in the process that got the request, `batched` runs it there for many calls at once; a
replica's handler runs in another process (`replicas.client`).
"""

from __future__ import annotations

from typing import Any, Protocol

from aylien_model_serving.core.messages import Call

#: The method of a call that asks a replica for its own status.
STATUS = "STATUS"


class Observer(Protocol):
    """Records how a handler performs."""

    def ran(self, seconds: float) -> None:
        """Record one run."""

    def speed_changed(self, quick: bool) -> None:
        """Record that the handler counts as quick from this run on, or as slow."""


class Executor(Protocol):
    """Runs one handler, for callers that block and for callers on an event loop."""

    def run(self, arguments: dict[str, Any], call: Call) -> Any:
        """Call the handler and return its result, or raise what it raises; a `Reply` is sent as it is.

        Args:
            arguments: checked keyword arguments.
            call: the request that they come from; after its deadline nobody waits for the result.

        Raises:
            DeadlineExceeded: the deadline passed before or while the handler ran.
        """

    def is_immediate(self) -> bool:
        """Return whether `run` is so quick at this moment that an event loop may call it itself."""

    async def run_async(self, arguments: dict[str, Any], call: Call, *, beside_loop: bool = False) -> Any:
        """Do the same for a caller on an event loop; a call that is cancelled while it waits never starts.

        Args:
            arguments: as `run` takes them.
            call: likewise.
            beside_loop: whether the loop may not run the handler itself, however quick it has been.
        """

    def ready(self) -> bool:
        """Return whether a call would be answered."""
