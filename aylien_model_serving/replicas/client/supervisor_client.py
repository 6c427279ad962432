"""A process's client of its service's supervisor: sends what is to be hosted, receives the replicas' state.

A client that finds no supervisor starts one. Nothing blocks while it holds a lock, since a lock may be older
than gevent's patches; `release` takes none, since a finalizer may call it in the middle of anything. Knows
nothing of calls and of the connections to replicas.
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
from aylien_model_serving.rpc.control_messages import HostRequest, Replica, ReplicaUpdate, followed
from aylien_model_serving.rpc.spec import Spec

__all__ = ["Replica", "SupervisorClient"]

logger = logging.getLogger(__name__)

#: Seconds between attempts to reach or start a supervisor, at most.
_LONGEST_PAUSE = 5.0

_CHUNK = 65536

OnUpdate = Callable[[list[Replica]], None]


class _Hosted(NamedTuple):
    """A runner whose replicas this process calls.

    Args:
        spec: what they host.
        on_update: called with all replicas.
        follows: whether any replicas of the runner's name will do, which others may have had hosted.
        service: the number of the service of which they have to be; None for any.
    """

    spec: Spec
    on_update: OnUpdate
    follows: bool = False
    service: str | None = None


class SupervisorClient:
    """The specs that one process hosts, and its connection to the supervisor.

    Args:
        home: the owner's folder; that of this process's owner when omitted.
        owner_pid: the process with which the supervisor exits; this process's owner when omitted.
        replica_command: starts a replica, the number of its descriptor appended; the real one when empty.
        may_start: whether to start a supervisor where there is none.
    """

    _current: ClassVar[SupervisorClient | None] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        home: Path | None = None,
        owner_pid: int | None = None,
        replica_command: Sequence[str] = (),
        *,
        may_start: bool = True,
    ) -> None:
        self._home = home
        self._owner_pid = owner_pid
        self._replica_command = tuple(replica_command)
        self._may_start = may_start
        self._since = time.monotonic()
        self._hosted: dict[str, _Hosted] = {}
        self._latest: dict[str, list[Replica]] = {}
        self._requests: deque[HostRequest] = deque()
        self._send_lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._is_started = False
        self._is_closed = False
        #: Whether the owner has exited: nothing is hosted any more.
        self.is_owner_gone = False

    @classmethod
    def of_process(cls) -> SupervisorClient:
        """Return this process's own client; a forked child has another than its parent."""
        current = cls._current
        return current if current is not None else cls._create_current()

    @classmethod
    def join(cls, home: Path, owner_pid: int) -> None:
        """Have this process, which a supervisor has started, call replicas of the same service.

        Args:
            home: the owner's folder.
            owner_pid: the owner.
        """
        cls._current = cls(home, owner_pid, may_start=False)

    @classmethod
    def _create_current(cls) -> SupervisorClient:
        with cls._lock:
            if cls._current is None:
                cls._current = cls()
            return cls._current

    def host(self, spec: Spec, on_update: OnUpdate) -> None:
        """Have replicas hosted, by each supervisor that comes, until they are released.

        Args:
            spec: what they host.
            on_update: called with all replicas, mostly on a thread of this object, whenever one of them
                changes; with none when the supervisor is lost. In a Gunicorn master nothing is started: its
                forks do it, at their next use of this.

        Raises:
            ConfigurationError: the spec can't be encoded, or the temporary folder has too long a path.
            OSError: the temporary folder can't be used.
        """
        self._add(spec.key, _Hosted(spec, on_update))

    def follow(self, spec: Spec, on_update: OnUpdate, service: str | None = None) -> None:
        """Call the replicas of a runner that any process of the service has hosted, or else this one.

        Args:
            spec: what they host, unless somebody has hosted a runner of its name.
            on_update: as `host` has it.
            service: the number of the service whose runner of that name is meant; None for any.
        """
        self._add(followed(spec.name, service), _Hosted(spec, on_update, follows=True, service=service))

    def _add(self, key: str, hosted: _Hosted) -> None:
        address = self.address()
        address.create_folder()
        self._hosted[key] = hosted
        latest = self._latest.get(key)
        if latest is not None:
            hosted.on_update(latest)
        self._requests.append(self._request(hosted))
        if not _is_gunicorn_master(address.owner):
            self.start()
        self._flush()

    def _request(self, hosted: _Hosted) -> HostRequest:
        spec = hosted.spec
        follow = spec.name if hosted.follows else None
        return HostRequest(host=spec, since=self._since, follow=follow, service=hosted.service)

    def wake(self, key: str) -> None:
        """Have the replicas loaded that this process hosts or follows under a key, if they are idle."""
        self._requests.append(HostRequest(wake=key))
        self._flush()

    def release(self, key: str, within: float | None = None) -> None:
        """Release what this process hosts under a key; `within` says how many seconds the replicas have."""
        if self._hosted.pop(key, None) is not None:
            self._latest.pop(key, None)
            self._requests.append(HostRequest(release=key, within=within))
            self._flush()

    def start(self) -> None:
        """Start the thread that keeps the connection, if anything is hosted; a further call does nothing."""
        if not self._hosted:
            return
        with self._lock:
            is_first, self._is_started = not self._is_started, True
        if is_first:
            address = self.address()
            self._thread = threading.Thread(
                target=self._run, args=(address,), name="model-serving-supervisor-client", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """End the connection, as the exit of this process would; the supervisor goes on."""
        self._is_closed = True
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join()

    def address(self) -> supervisor_start.SupervisorAddress:
        """Return where the supervisor is."""
        pid = self._owner_pid or owner.find()
        home = owner.folder(pid) if self._home is None else self._home
        return supervisor_start.SupervisorAddress(home, pid, self._replica_command, self._may_start)

    def _run(self, address: supervisor_start.SupervisorAddress) -> None:
        backoff = Backoff(_LONGEST_PAUSE)
        while True:
            worked = self._run_connection(address)
            if self._is_closed:
                return
            supervisor_start.reap()
            if not address.owner_is_alive():
                self.is_owner_gone = True
                self._publish(ReplicaUpdate({key: [] for key in list(self._hosted)}))
                return
            time.sleep(backoff.failed(worked))

    def _run_connection(self, address: supervisor_start.SupervisorAddress) -> float:
        """Hold a connection for as long as it lasts, and return how many seconds that was."""
        try:
            sock = supervisor_start.connect(address)
        except (OSError, supervisor_start.StartError) as error:
            if address.owner_is_alive():
                logger.error("The runners have no supervisor, retrying: %s", error)
            return 0.0
        began = time.monotonic()
        self._receive_updates(sock)
        return time.monotonic() - began

    def _receive_updates(self, sock: socket.socket) -> None:
        """Request everything that is hosted, and receive updates until the connection ends."""
        decoder = MessageDecoder(ReplicaUpdate)
        self._requests.clear()
        self._requests.extend(map(self._request, self._all_hosted()))
        self._socket = sock
        try:
            self._flush()
            while not self._is_closed and (data := sock.recv(_CHUNK)):
                for update in decoder.feed(data):
                    self._publish(update)
        except (OSError, MessageError) as error:
            if not self._is_closed:
                logger.warning("The connection to the supervisor of the runners is broken: %s", error)
        finally:
            self._socket = None
            sock.close()
        if not self._is_closed:
            self._publish(ReplicaUpdate({key: [] for key in list(self._hosted)}))

    def _all_hosted(self) -> list[_Hosted]:
        return list(self._hosted.values())

    def _publish(self, update: ReplicaUpdate) -> None:
        for key, replicas in update.replicas.items():
            hosted = self._hosted.get(key)
            if hosted is None:
                continue
            self._latest[key] = replicas
            try:
                hosted.on_update(replicas)
            except Exception:
                logger.exception("The update of the replicas of %s failed", hosted.spec.name)

    def _flush(self) -> None:
        """Send the queued requests, unless another thread is sending, which then sends all of them."""
        while self._requests and (sock := self._socket) and self._send_lock.acquire(blocking=False):
            try:
                while self._requests:
                    sock.sendall(encode(self._requests.popleft()))
            except (
                OSError,
                IndexError,
            ):  # lost, and all is requested again; or the queue was emptied meanwhile
                return
            finally:
                self._send_lock.release()

    @classmethod
    def _after_fork(cls) -> None:
        """Drop the parent's client; what a master has only registered, its fork hosts once it is started."""
        cls._lock = threading.Lock()
        parent, cls._current = cls._current, None
        if parent is None:
            return
        parent._detach()
        if not parent._is_started:
            cls._current = cls(parent._home, parent._owner_pid, parent._replica_command)
            cls._current._hosted = dict(parent._hosted)

    def _detach(self) -> None:
        """Drop the connection without involving gevent, whose loop is not ready in a fork."""
        self._is_closed = True
        sock, self._socket = self._socket, None
        if sock is not None:
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(null, sock.fileno(), inheritable=False)
            os.close(null)


os.register_at_fork(after_in_child=SupervisorClient._after_fork)


def _is_gunicorn_master(owner_pid: int) -> bool:
    """A thread in the master would not survive its forks, and Python 3.12 warns of forks beside threads."""
    return "gunicorn.arbiter" in sys.modules and owner_pid == os.getpid()
