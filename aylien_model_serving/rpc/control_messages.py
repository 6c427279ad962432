"""The control messages between web workers, supervisor and replicas.

Each struct is one kind of message; an omitted field says nothing. Pure: how a message travels is in
`control_framing`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from aylien_model_serving.rpc.spec import Spec

State = Literal["starting", "ready", "unresponsive", "draining", "waiting", "failed", "idle"]


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
            if it was ready and does not answer its heartbeat, "idle" if it was unloaded for lack of calls.
        restarts: how many times it has been started again.
        error: why it failed, died or is unresponsive; empty while it serves.
        version: version of the spec that it hosts.
        is_on_demand: whether it is idle, or is being loaded for a call that has met it so.
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
    is_on_demand: bool = False


def followed(name: str, service: str | None = None) -> str:
    """Return the key under which the replicas of a runner are announced to who calls it by its name.

    Args:
        name: of the runner.
        service: its service's number; None for any.
    """
    return f"name:{name}" if service is None else f"name:{service}:{name}"


class ReloadRequest(msgspec.Struct, frozen=True):
    """What a web worker asks about the reload of a runner's weights.

    Args:
        key: of a spec of the runner; what is meant is the latest version.
        begin: whether to begin one; else how the last one is.
    """

    key: str
    begin: bool


class ReloadState(msgspec.Struct, frozen=True, kw_only=True):
    """How the reload of a runner's weights is.

    Args:
        id: distinguishes it from others of the runner.
        state: "running" until all replicas are replaced, or until it has failed.
        replaced: replicas that have been replaced.
        replicas: how many there are to replace.
        error: why it has failed.
    """

    id: str
    state: Literal["running", "done", "failed"]
    replaced: int
    replicas: int
    error: str = ""


class ReloadAnswer(msgspec.Struct, frozen=True):
    """The answer to a `ReloadRequest`.

    Args:
        reload: the last one; None where there was none.
        is_refused: whether none was begun, since that one goes on.
    """

    reload: ReloadState | None = None
    is_refused: bool = False


class HostRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Web worker, or replica that calls a model → supervisor: host a spec, or release one.

    Args:
        host: the spec that this worker needs replicas of; beside `follow`, what is to be hosted unless that
            name is, by this generation of the service or a later one.
        since: `time.monotonic()` seconds at which this worker's process began to host.
        release: key of a spec that it does not need any more.
        within: seconds that the replicas then have to finish what they run, if nobody else needs them; None
            for as long as the spec says.
        follow: name of a runner that others host, whose replicas it calls; they are announced under
            `followed(name, service)`.
        service: the number of the service whose runner of that name is followed; None for any.
        wake: the key under which the replicas of a runner are announced that is idle and is called.
        reload: what is asked about a reload of weights.
    """

    host: Spec | None = None
    since: float = 0.0
    release: str | None = None
    within: float | None = None
    follow: str | None = None
    service: str | None = None
    wake: str | None = None
    reload: ReloadRequest | None = None


class ReplicaUpdate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Supervisor → web worker, at every change, and in answer to a question.

    Args:
        replicas: all replicas of the specs that changed among those that this worker hosts, by key.
        reload: the answer to what it has asked about a reload.
    """

    replicas: dict[str, list[Replica]]
    reload: ReloadAnswer | None = None


class Load(msgspec.Struct, frozen=True, array_like=True):
    """What a replica has done since its start, and what it has to do.

    Args:
        calls: that have reached its handler.
        runs: of its handler; a run answers a batch.
        busy: seconds of these runs and of those in progress, of all threads together.
        waited: seconds that calls have waited before their runs.
        waiting: calls in its queue.
        running: calls in its handler, or whose answer is being streamed.
    """

    calls: int = 0
    runs: int = 0
    busy: float = 0.0
    waited: float = 0.0
    waiting: int = 0
    running: int = 0


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """Supervisor → replica: first what to host and where, then questions, at the end to drain.

    Args:
        spec: what it hosts.
        device: the device as its handler sees it: its only GPU is always "cuda:0".
        socket: path of the Unix socket on which to accept calls.
        record: path of its flight recorder.
        restarts: how many times it has been started again.
        owner: the process that owns the service; 0 if it is not to be watched.
        heartbeat: whether it is asked for a sign of life; it answers with the same.
        load: whether it is asked for its load.
        drain: `time.monotonic()` seconds by which it has to have finished its calls and to exit.
    """

    spec: Spec | None = None
    device: str = "cpu"
    socket: str = ""
    record: str = ""
    restarts: int = 0
    owner: int = 0
    heartbeat: bool = False
    load: bool = False
    drain: float | None = None


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """Replica → supervisor: its state.

    Args:
        state: "loading" once it holds the loading lock and builds its handler, "ready" once it takes calls.
        failed: why it could not be built; it exits after this.
        heartbeat: whether this is the answer to a heartbeat.
        load: the answer to the question for it.
        unhealthy: why its handler has not been well for too long.
        code: files that it has imported since the last time, with their stamps.
    """

    state: Literal["loading", "ready"] | None = None
    failed: str | None = None
    heartbeat: bool = False
    load: Load | None = None
    unhealthy: str | None = None
    code: dict[str, tuple[int, int]] | None = None
