"""A process's line to the supervisor of its service: says what is to be hosted, and hears of the replicas.

Whoever finds no supervisor starts one. Nothing waits while it holds a lock, since a lock may be
older than gevent's patches; `release` takes none, since a finalizer may call it in the middle of anything.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from aylien_model_serving.process import owner
from aylien_model_serving.process.backoff import Backoff
from aylien_model_serving.replicas.client import supervisor_start
from aylien_model_serving.rpc.control_framing import MessageDecoder, MessageError, encode
from aylien_model_serving.rpc.control_messages import HostRequest, Replica, ReplicaUpdate
from aylien_model_serving.rpc.spec import Spec

__all__ = ["Replica", "SupervisorClient"]

logger = logging.getLogger(__name__)

#: Seconds between attempts to reach or start a supervisor, at most.
_LONGEST_PAUSE = 5.0

_CHUNK = 65536

OnUpdate = Callable[[list[Replica]], None]


class _HostedSpec(NamedTuple):
    spec: Spec
    changed: OnUpdate


class SupervisorClient:
    """What one process wants to be hosted, and its connection to the supervisor.

    Args:
        home: the owner's folder; that of this process's owner when omitted.
        owner_pid: the process with which the supervisor leaves; this process's owner when omitted.
        replica_command: starts a replica, the number of its descriptor appended; the real one when empty.
    """

    _current: ClassVar[SupervisorClient | None] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self, home: Path | None = None, owner_pid: int | None = None, replica_command: Sequence[str] = ()
    ) -> None:
        self._home = home
        self._owner_pid = owner_pid
        self._replica_command = tuple(replica_command)
        self._since = time.monotonic()
        self._hosted: dict[str, _HostedSpec] = {}
        self._known: dict[str, list[Replica]] = {}
        self._outbox: deque[HostRequest] = deque()
        self._sending = threading.Lock()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._is_started = False
        self._is_closed = False
        #: Whether the owner is gone: nothing is hosted any more.
        self.is_finished = False

    @classmethod
    def of_process(cls) -> SupervisorClient:
        """Return this process's own; after a fork it is another than the parent's."""
        current = cls._current
        return current if current is not None else cls._first()

    @classmethod
    def _first(cls) -> SupervisorClient:
        with cls._lock:
            if cls._current is None:
                cls._current = cls()
            return cls._current

    def host(self, spec: Spec, changed: OnUpdate) -> None:
        """Ask for replicas, again and again if need be, until they are released.

        Args:
            spec: what they host.
            changed: is called with all replicas, mostly on a thread of this object, whenever one of them
                changes; with none when the supervisor is lost. In a Gunicorn master nothing is started: its
                forks do it, at their next use of this.

        Raises:
            ConfigurationError: the spec can't travel, or the temporary folder has too long a path.
            OSError: the temporary folder can't be used.
        """
        key = spec.key
        place = self._address()
        place.make()
        self._hosted[key] = _HostedSpec(spec, changed)
        known = self._known.get(key)
        if known is not None:
            changed(known)
        self._outbox.append(HostRequest(host=spec, since=self._since))
        if not _is_gunicorn_master(place.owner):
            self.start()
        self._flush()

    def release(self, key: str) -> None:
        """Say that this process does not want what it hosted under a key any more."""
        if self._hosted.pop(key, None) is not None:
            self._known.pop(key, None)
            self._outbox.append(HostRequest(release=key))
            self._flush()

    def start(self) -> None:
        """Start the thread that keeps the connection, if anything is hosted; a further call does nothing."""
        if not self._hosted:
            return
        with self._lock:
            is_first, self._is_started = not self._is_started, True
        if is_first:
            place = self._address()
            self._thread = threading.Thread(
                target=self._run, args=(place,), name="model-serving-control", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """End the connection as if this process were gone; the supervisor goes on."""
        self._is_closed = True
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join()

    def _address(self) -> supervisor_start.SupervisorAddress:
        pid = self._owner_pid or owner.find()
        home = owner.folder(pid) if self._home is None else self._home
        return supervisor_start.SupervisorAddress(home, pid, self._replica_command)

    def _run(self, place: supervisor_start.SupervisorAddress) -> None:
        backoff = Backoff(_LONGEST_PAUSE)
        while True:
            worked = self._connected(place)
            if self._is_closed:
                return
            supervisor_start.reap()
            if not place.owner_is_alive():
                self.is_finished = True
                self._tell(ReplicaUpdate({key: [] for key in list(self._hosted)}))
                return
            time.sleep(backoff.failed(worked))

    def _connected(self, place: supervisor_start.SupervisorAddress) -> float:
        """Hold a connection for as long as it lasts, and return how many seconds that was."""
        try:
            sock = supervisor_start.connect(place)
        except (OSError, supervisor_start.StartError) as error:
            if place.owner_is_alive():
                logger.error("Runners have no supervisor, a further try follows: %s", error)
            return 0.0
        began = time.monotonic()
        self._listen(sock)
        return time.monotonic() - began

    def _listen(self, sock: socket.socket) -> None:
        """Ask for everything, and hear what there is until the connection ends."""
        inbox = MessageDecoder(ReplicaUpdate)
        self._outbox.clear()
        self._outbox.extend(HostRequest(host=hosted.spec, since=self._since) for hosted in self._each())
        self._socket = sock
        try:
            self._flush()
            while not self._is_closed and (data := sock.recv(_CHUNK)):
                for news in inbox.feed(data):
                    self._tell(news)
        except (OSError, MessageError) as error:
            if not self._is_closed:
                logger.warning("The connection to the supervisor of the runners is broken: %s", error)
        finally:
            self._socket = None
            sock.close()
        if not self._is_closed:
            self._tell(ReplicaUpdate({key: [] for key in list(self._hosted)}))

    def _each(self) -> list[_HostedSpec]:
        return list(self._hosted.values())

    def _tell(self, news: ReplicaUpdate) -> None:
        for key, replicas in news.replicas.items():
            hosted = self._hosted.get(key)
            if hosted is None:
                continue
            self._known[key] = replicas
            try:
                hosted.changed(replicas)
            except Exception:
                logger.exception("%s did not take the news of its replicas", hosted.spec.name)

    def _flush(self) -> None:
        """Send what waits, unless somebody is at it, who then takes all along."""
        while self._outbox and (sock := self._socket) and self._sending.acquire(blocking=False):
            try:
                while self._outbox:
                    sock.sendall(encode(self._outbox.popleft()))
            except (
                OSError,
                IndexError,
            ):  # lost, and all is asked for again; or the outbox was emptied just so
                return
            finally:
                self._sending.release()

    @classmethod
    def _forked(cls) -> None:
        """Leave the parent its own; what a master only remembered, its fork asks for once it is started."""
        cls._lock = threading.Lock()
        parents, cls._current = cls._current, None
        if parents is None:
            return
        parents._disown()
        if not parents._is_started:
            cls._current = cls(parents._home, parents._owner_pid, parents._replica_command)
            cls._current._hosted = dict(parents._hosted)

    def _disown(self) -> None:
        """Let go of the connection without a word to gevent, whose loop is not ready in a fork."""
        self._is_closed = True
        sock, self._socket = self._socket, None
        if sock is not None:
            nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(nothing, sock.fileno(), inheritable=False)
            os.close(nothing)


os.register_at_fork(after_in_child=SupervisorClient._forked)


def _is_gunicorn_master(owner_pid: int) -> bool:
    """A thread in the master would not survive its forks, and Python 3.12 warns of forks beside threads."""
    return "gunicorn.arbiter" in sys.modules and owner_pid == os.getpid()
