"""The control messages between web workers, supervisor and replicas.

Each struct is one kind of message; an omitted field says nothing. Pure: how a message travels is in
`control_framing`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from aylien_model_serving.rpc.spec import Spec

State = Literal["starting", "ready", "unresponsive", "draining", "waiting", "failed"]


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """One replica, as the supervisor announces it.

    Args:
        number: its place among the replicas of its runner, from 0.
        incarnation: the number of this start, unique on this machine since it was booted.
        socket: path of the Unix socket where it takes calls.
        record: path of its flight recorder.
        pid: its process; 0 while there is none.
        device: the device as the operator names it, e.g. "cuda:1".
        state: "waiting" for its next start after a death, "failed" if it could not be built, "unresponsive"
            if it was ready and does not answer its heartbeat.
        restarts: how many times it has been started again.
        error: why it failed, died or is unresponsive; empty while it serves.
        version: version of the spec that it hosts.
    """

    number: int
    incarnation: int
    socket: str
    record: str
    pid: int
    device: str
    state: State
    restarts: int
    error: str
    version: str


class HostRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Web worker → supervisor: host a spec, or release one.

    Args:
        host: the spec that this worker needs replicas of.
        since: `time.monotonic()` seconds at which this worker's process began to host.
        release: key of a spec that it does not need any more.
    """

    host: Spec | None = None
    since: float = 0.0
    release: str | None = None


class ReplicaUpdate(msgspec.Struct, frozen=True):
    """Supervisor → web worker, at every change.

    Args:
        replicas: all replicas of the specs that changed among those that this worker hosts, by key.
    """

    replicas: dict[str, list[Replica]]


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """Supervisor → replica: first what to host and where, then heartbeats, at the end to drain.

    Args:
        spec: what it hosts.
        device: the device as its handler sees it: its only GPU is always "cuda:0".
        socket: path of the Unix socket on which to accept calls.
        record: path of its flight recorder.
        restarts: how many times it has been started again.
        owner: the process that owns the service; 0 if it is not to be watched.
        heartbeat: whether it is asked for a sign of life; it answers with the same.
        drain: `time.monotonic()` seconds by which it has to have finished its calls and to exit.
    """

    spec: Spec | None = None
    device: str = "cpu"
    socket: str = ""
    record: str = ""
    restarts: int = 0
    owner: int = 0
    heartbeat: bool = False
    drain: float | None = None


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """Replica → supervisor: its state.

    Args:
        state: "loading" once it holds the loading lock and builds its handler, "ready" once it takes calls.
        failed: why it could not be built; it exits after this.
        heartbeat: whether this is the answer to a heartbeat.
        code: files that it has imported since the last time, with their stamps.
    """

    state: Literal["loading", "ready"] | None = None
    failed: str | None = None
    heartbeat: bool = False
    code: dict[str, tuple[int, int]] | None = None
