"""Finds the supervisor of a service, or starts it: one at a time, whoever comes first.

What waits here gives way to other greenlets.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.process import interpreter, owner

_MODULE = "aylien_model_serving.replicas.supervisor.main"

#: Bytes that the path of a Unix socket may have, the mark of its end left out: unix(7).
_MAX_SOCKET_PATH = 107

#: Bytes that the longest name of a socket has.
_LONGEST_NAME = 24

#: Seconds between two looks at who starts the supervisor, and the most that its start may take.
_LOOK_SECONDS = 0.02
_START_SECONDS = 60.0

#: Seconds that a process whose connections are closed may take to end.
_ENDING_SECONDS = 1.0


class StartError(Exception):
    """The supervisor did not start; what it wrote to standard error says why."""


class SupervisorAddress(NamedTuple):
    """Where a service's supervisor is found.

    Args:
        home: the owner's folder.
        owner: the process with which the supervisor leaves.
        replica_command: starts a replica; empty for the real one.
    """

    home: Path
    owner: int
    replica_command: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder of sockets, locks and flight recorders."""
        return self.home / "runners"

    @property
    def socket(self) -> str:
        """Path of the socket where the supervisor takes wishes."""
        return str(self.folder / "supervisor.sock")

    def make(self) -> None:
        """Make the folder.

        Raises:
            ConfigurationError: its path is too long for a socket.
        """
        longest = len(os.fsencode(self.folder)) + 1 + _LONGEST_NAME
        if longest > _MAX_SOCKET_PATH:
            raise ConfigurationError(
                f"{self.folder} is {longest - _MAX_SOCKET_PATH} bytes too long to hold Unix sockets: "
                "set TMPDIR to a shorter path"
            )
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def owner_is_alive(self) -> bool:
        """Tell whether there is still somebody to serve."""
        if self.home.name.startswith(f"{self.owner}-"):
            return owner.is_alive(self.home.name)
        try:
            os.kill(self.owner, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True


def connect(place: SupervisorAddress) -> socket.socket:
    """Return a connection to the supervisor, started if there is none.

    Raises:
        OSError: the folder can't be used.
        StartError: the supervisor did not start.
    """
    deadline = time.monotonic() + _START_SECONDS
    place.make()
    while True:
        found = _reach(place)
        if found is not None:
            return found
        with _turn(place) as is_mine:
            if is_mine:
                return _reach(place) or _start(place)
        if time.monotonic() > deadline:
            raise StartError("another process took too long to start the supervisor")
        time.sleep(_LOOK_SECONDS)


def _reach(place: SupervisorAddress) -> socket.socket | None:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(place.socket)
    except (FileNotFoundError, ConnectionError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def _turn(place: SupervisorAddress) -> Iterator[bool]:
    """Yield whether it is this process's turn to start the supervisor."""
    lock = os.open(place.folder / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # for a fork that came in between, too
    finally:
        os.close(lock)


#: What this process started, kept so that it can be reaped.
_started: list[subprocess.Popen[bytes]] = []


def _start(place: SupervisorAddress) -> socket.socket:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _launch(place, theirs.fileno())
        ours.settimeout(_START_SECONDS)
        try:
            is_there = ours.recv(1) != b""
        except TimeoutError:
            is_there = False
    if not is_there:
        process.kill()
        process.wait()
        raise StartError(f"the supervisor ended with status {process.returncode} before it was ready")
    _started.append(process)
    return _reach(place) or _fail(process)


def _fail(process: subprocess.Popen[bytes]) -> socket.socket:
    raise StartError(f"the supervisor (pid {process.pid}) was gone at once")


def _launch(place: SupervisorAddress, descriptor: int) -> subprocess.Popen[bytes]:
    """Start the supervisor, which closes the descriptor's socket after a byte that says it is there."""
    command = interpreter.command(_MODULE, place.home, place.owner, descriptor, *place.replica_command)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        start_new_session=True,
        env=interpreter.environment(os.environ),
    )


def reap() -> None:
    """Take the exit statuses of supervisors that this process started, so that none stays as a zombie.

    To be called when a supervisor was lost, which then has closed its connections and is about to end.
    """
    for process in list(_started):
        with contextlib.suppress(
            subprocess.TimeoutExpired, ValueError
        ):  # ValueError: another thread was first
            process.wait(_ENDING_SECONDS)
            _started.remove(process)


@atexit.register
def _let_go() -> None:
    """Have no warning of what is meant: a supervisor goes by itself, and after its owner."""
    for process in _started:
        if process.poll() is None:
            process.returncode = 0
