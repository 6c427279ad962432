"""What one process knows of the replicas of a runner: which are ready, and its connections to them.

The supervisor announces replicas; calls go to the one that has the fewest of this process's calls,
and wait for one that starts. Nothing here survives a fork: the child asks again.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import DeadlineExceeded, ServingError, Unavailable
from aylien_model_serving.executors import STATUS
from aylien_model_serving.replicas.client.supervisor_client import Replica, SupervisorClient
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.connection import Connection, ReplicaDraining, ReplicaLost
from aylien_model_serving.rpc.connection_async import AsyncConnection

if TYPE_CHECKING:
    from aylien_model_serving.rpc.spec import Spec

#: Seconds that a call waits for a replica that died at once after its start; its next start may be far off.
_PATIENCE_WITH_DEATHS = 2.0

#: Never held while something waits: it may have been made before gevent patched threads.
_lock = threading.Lock()


class Fleet:
    """The replicas of one runner, as this process sees them.

    Args:
        spec: what they host.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._of_process: ReplicaPool | None = None

    def here(self) -> ReplicaPool:
        """Return this process's view, made at its first use: that is when the replicas are asked for."""
        here = self._of_process
        return here if here is not None and here.pid == os.getpid() else self._arrive()

    def known(self) -> ReplicaPool | None:
        """Return this process's view, unless it has none: for a question that is not worth a start."""
        return (
            self._of_process if self._of_process is not None and self._of_process.pid == os.getpid() else None
        )

    def _arrive(self) -> ReplicaPool:
        with _lock:
            here = self._of_process
            if here is not None and here.pid == os.getpid():
                return here
            here = self._of_process = ReplicaPool(self._spec)
        try:
            here.ask(self._spec)
        except BaseException:
            self._of_process = None  # so that the next call is told as well, and does not wait for nothing
            raise
        weakref.finalize(self, SupervisorClient.of_process().release, self._spec.key).atexit = False
        return here


class ReplicaPool:
    """One process's connections to the replicas of a runner.

    Args:
        spec: what they host.
    """

    def __init__(self, spec: Spec) -> None:
        self.pid = os.getpid()
        self._name = spec.name
        self._start_timeout = spec.start_timeout
        self._max_waiting = spec.max_queue * spec.replicas
        self._waiting = 0
        self._replicas: Sequence[Replica] | None = None
        self._ready: Sequence[Replica] = ()
        self._gone: set[str] = set()
        self._changed = threading.Condition()
        self._links: dict[str, Connection] = {}
        self._async_links: dict[str, asyncio.Future[AsyncConnection]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sleepers: set[asyncio.Future[None]] = set()

    def ask(self, spec: Spec) -> None:
        """Ask for the replicas; this object is told of them for as long as somebody uses it."""
        mine = weakref.ref(self)

        def told(replicas: list[Replica]) -> None:
            here = mine()
            if here is not None:
                here.update(replicas)

        SupervisorClient.of_process().host(spec, told)

    def update(self, replicas: Sequence[Replica]) -> None:
        """Take note of an announcement."""
        with self._changed:
            self._replicas = replicas
            announced = {replica.socket for replica in replicas if replica.state == "ready"}
            self._gone &= announced
            self._note_ready()
            for path in [path for path, link in self._links.items() if path not in announced]:
                if not self._links[path].in_flight:
                    self._links.pop(path).close()
            self._changed.notify_all()
            loop, sleepers = self._loop, list(self._sleepers)
        if loop is not None and sleepers and not loop.is_closed():
            loop.call_soon_threadsafe(_wake, sleepers)

    def announced(self) -> Sequence[Replica]:
        """Return the replicas as they were last announced."""
        return self._replicas or ()

    def ready(self) -> Sequence[Replica]:
        """Return the replicas that take calls."""
        return self._ready

    def _note_ready(self) -> None:
        self._ready = [
            replica
            for replica in self._replicas or ()
            if replica.state == "ready" and replica.socket not in self._gone
        ]

    def _lose(self, replica: Replica) -> None:
        self._gone.add(replica.socket)
        self._note_ready()

    def leave(self, replica: Replica) -> None:
        """Send no further calls to a replica that drains or was lost."""
        with self._changed:
            self._lose(replica)
            link = self._links.get(replica.socket)
            if link is not None and not link.is_open:
                del self._links[replica.socket]
            self._async_links.pop(replica.socket, None)

    def wake(self) -> None:
        """Have every replica that is ready look at the store of jobs; the others will, once they are."""
        for replica in self.ready():
            link = self._links.get(replica.socket)
            if link is None or not link.is_open:
                link = self._connect(replica)
            if link is not None:
                link.send(protocol.encode_wake())

    def ask_status(self, replica: Replica) -> dict[str, Any]:
        """Return what a replica tells of itself; nothing, where it does not answer within a second."""
        link = self._connect(replica) if replica.state == "ready" else None
        if link is None:
            return {}
        question = Call(STATUS, "", "", {}, b"", {}, "-", time.monotonic() + 1)
        try:
            told: dict[str, Any] = msgspec.json.decode(link.call(question, False).body)
            return told
        except (ServingError, ReplicaLost, ReplicaDraining):
            return {}

    def link(self, deadline: float | None) -> tuple[Connection, Replica]:
        """Return a connection to the replica with the fewest calls, waiting for one if one is on its way.

        Raises:
            Unavailable: none is, or too many calls wait already.
            DeadlineExceeded: none was ready in time.
        """
        since = time.monotonic()
        while True:
            found = self._choose()
            if found is not None:
                return found
            with self._changed, self._queued():
                if not self.ready():
                    self._changed.wait(self._patience(since, deadline))

    def _choose(self) -> tuple[Connection, Replica] | None:
        best: tuple[Connection, Replica] | None = None
        for replica in self.ready():
            link = self._links.get(replica.socket)
            if link is None or not link.is_open:
                link = self._connect(replica)
            if link is not None and (best is None or link.in_flight < best[0].in_flight):
                best = link, replica
        return best

    def _connect(self, replica: Replica) -> Connection | None:
        with self._changed:
            link = self._links.get(replica.socket)
            if link is None or not link.is_open:
                try:
                    link = self._links[replica.socket] = Connection(replica.socket)
                except OSError:
                    self._lose(replica)
                    return None
            return link

    async def link_async(self, deadline: float | None) -> tuple[AsyncConnection, Replica]:
        """Do the same for a caller on an event loop."""
        since = time.monotonic()
        while True:
            found = await self._choose_async()
            if found is not None:
                return found
            with self._queued():
                await self._sleep(self._patience(since, deadline))

    async def _choose_async(self) -> tuple[AsyncConnection, Replica] | None:
        self._adopt(asyncio.get_running_loop())
        best: tuple[AsyncConnection, Replica] | None = None
        for replica in self.ready():
            connecting = self._async_links.get(replica.socket)
            if connecting is None or (connecting.done() and not _is_open(connecting)):
                connecting = asyncio.ensure_future(AsyncConnection.connect(replica.socket))
                self._async_links[replica.socket] = connecting
            try:
                link = connecting.result() if connecting.done() else await asyncio.shield(connecting)
            except OSError:
                self._lose(replica)
                continue
            if best is None or link.in_flight < best[0].in_flight:
                best = link, replica
        return best

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connections belong to the loop that made them; a process serves from one at a time."""
        if self._loop is not loop:
            self._loop = loop
            self._async_links = {}
            self._sleepers = set()

    async def _sleep(self, seconds: float) -> None:
        """Wait for the next announcement."""
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.add(sleeper)
        try:
            if not self.ready():  # announced between the caller's look and this line
                await asyncio.wait([sleeper], timeout=seconds)
        finally:
            self._sleepers.discard(sleeper)

    def _queued(self) -> _WaitingCall:
        return _WaitingCall(self)

    def enter(self) -> None:
        """Count one more call that waits for a replica."""
        if self._waiting >= self._max_waiting:
            raise Unavailable(f"Too many requests wait for {self._name} to start")
        self._waiting += 1

    def exit(self) -> None:
        """Count one less."""
        self._waiting -= 1

    def _patience(self, since: float, deadline: float | None) -> float:
        """Return the seconds that a call may wait for a replica from here on.

        Raises:
            Unavailable: none is on its way.
            DeadlineExceeded: there are none left.
        """
        states = {"starting"} if not self._replicas else {replica.state for replica in self._replicas}
        until = since + (_PATIENCE_WITH_DEATHS if states <= {"waiting", "draining"} else self._start_timeout)
        is_finished = states == {"failed"} or SupervisorClient.of_process().is_finished
        if is_finished or time.monotonic() >= until:
            raise Unavailable(f"{self._name} has no live replica at the moment")
        if deadline is not None and time.monotonic() >= deadline:
            raise DeadlineExceeded
        return (until if deadline is None else min(until, deadline)) - time.monotonic()


class _WaitingCall:
    """Counts a call among those that wait for a replica."""

    def __init__(self, berths: ReplicaPool) -> None:
        self._berths = berths

    def __enter__(self) -> None:
        self._berths.enter()

    def __exit__(self, *_: object) -> None:
        self._berths.exit()


def _is_open(connecting: asyncio.Future[AsyncConnection]) -> bool:
    return not connecting.cancelled() and connecting.exception() is None and connecting.result().is_open


def _wake(sleepers: Sequence[asyncio.Future[None]]) -> None:
    for sleeper in sleepers:
        if not sleeper.done():
            sleeper.set_result(None)
