"""The programs that a supervisor starts: a handler's replica, and what stands before or behind replicas."""

from __future__ import annotations

from collections.abc import Sequence

from aylien_model_serving.process import interpreter
from aylien_model_serving.rpc.spec import Spec

_PACKAGE = "aylien_model_serving"
_REPLICA, _RAY_GATEWAY = f"{_PACKAGE}.replicas.replica.main", f"{_PACKAGE}.replicas.gateway.main"

#: What serves a whole app, by its protocol.
_SERVERS = {"grpc": f"{_PACKAGE}.cli.grpc_process"}


class Programs:
    """Chooses the program of each spec.

    Args:
        command: starts all of them, in a test; the real ones when empty.
    """

    def __init__(self, command: Sequence[str] = ()) -> None:
        self._command = list(command)

    def of(self, spec: Spec) -> Sequence[str]:
        """Return the command that starts a process for a spec, the number of its descriptor left out."""
        if self._command:
            return self._command
        if spec.protocol:
            return interpreter.command(_SERVERS[spec.protocol])
        return interpreter.command(_REPLICA if spec.ray is None else _RAY_GATEWAY)
