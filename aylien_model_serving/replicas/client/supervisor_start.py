"""Connects to the supervisor of a service, or starts it: one process at a time does, the first that comes.

What blocks here lets other greenlets run. Knows where the supervisor is and how it starts; what is sent to it
is in `supervisor_client`.
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

from aylien_model_serving.core.secrets import without_secrets
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.process import interpreter, owner

_MODULE = "aylien_model_serving.replicas.supervisor.main"

#: Bytes that the path of a Unix socket may have, without the terminating zero: unix(7).
_MAX_SOCKET_PATH = 107

#: Bytes that the longest name of a socket has.
_LONGEST_NAME = 24

#: Seconds between two attempts to connect while another process starts the supervisor, and the most for a
#: start.
_POLL_SECONDS = 0.02
_START_SECONDS = 60.0

#: Seconds that a process whose connections are closed may take to exit.
_EXIT_SECONDS = 1.0


class StartError(Exception):
    """The supervisor did not start; what it wrote to standard error says why."""


class SupervisorAddress(NamedTuple):
    """Where a service's supervisor is.

    Args:
        home: the owner's folder.
        owner: the process with which the supervisor exits.
        replica_command: starts a replica; empty for the real one.
        may_start: whether to start a supervisor where there is none.
    """

    home: Path
    owner: int
    replica_command: tuple[str, ...] = ()
    may_start: bool = True

    @property
    def folder(self) -> Path:
        """The folder of sockets, locks and flight recorders."""
        return self.home / "runners"

    @property
    def socket(self) -> str:
        """Path of the socket on which the supervisor takes requests."""
        return str(self.folder / "supervisor.sock")

    @property
    def code(self) -> Path:
        """Path of the file that has the files of the code that replicas have imported."""
        return self.folder / "code.json"

    def create_folder(self) -> None:
        """Create the folder, if it does not exist.

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
        """Return whether the owner is alive."""
        if self.home.name.startswith(f"{self.owner}-"):
            return owner.is_alive(self.home.name)
        try:
            os.kill(self.owner, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True


def connect(address: SupervisorAddress) -> socket.socket:
    """Return a connection to the supervisor, started if there is none.

    Raises:
        OSError: the folder can't be used.
        StartError: the supervisor did not start.
    """
    deadline = time.monotonic() + _START_SECONDS
    address.create_folder()
    while True:
        found = _try_connect(address)
        if found is not None:
            return found
        if not address.may_start:
            raise StartError("the supervisor that started this process is gone")
        with _start_lock(address) as is_held:
            if is_held:
                return _try_connect(address) or _start(address)
        if time.monotonic() > deadline:
            raise StartError("another process took too long to start the supervisor")
        time.sleep(_POLL_SECONDS)


def _try_connect(address: SupervisorAddress) -> socket.socket | None:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(address.socket)
    except (FileNotFoundError, ConnectionError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def _start_lock(address: SupervisorAddress) -> Iterator[bool]:
    """Hold the lock under which one process starts the supervisor; yield whether this one holds it."""
    lock = os.open(address.folder / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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


#: Supervisors that this process started, kept so that they can be reaped.
_started: list[subprocess.Popen[bytes]] = []


def _start(address: SupervisorAddress) -> socket.socket:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _launch(address, theirs.fileno())
        ours.settimeout(_START_SECONDS)
        try:
            is_ready = ours.recv(1) != b""
        except TimeoutError:
            is_ready = False
    if not is_ready:
        process.kill()
        process.wait()
        raise StartError(f"the supervisor ended with status {process.returncode} before it was ready")
    _started.append(process)
    return _try_connect(address) or _fail(process)


def _fail(process: subprocess.Popen[bytes]) -> socket.socket:
    raise StartError(f"the supervisor (pid {process.pid}) exited at once")


def _launch(address: SupervisorAddress, descriptor: int) -> subprocess.Popen[bytes]:
    """Start the supervisor, which closes the descriptor's socket after it has sent a byte: it is ready.

    What a replica needs of the service's secrets comes with its spec: any process of this user may read an
    environment, and every process that a handler starts would inherit it.
    """
    command = interpreter.command(_MODULE, address.home, address.owner, descriptor, *address.replica_command)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        start_new_session=True,
        env=interpreter.environment(without_secrets(os.environ)),
    )


def reap() -> None:
    """Reap the supervisors that this process started, so that none stays as a zombie.

    To be called when a supervisor was lost, which then has closed its connections and is about to exit.
    """
    for process in list(_started):
        with contextlib.suppress(
            subprocess.TimeoutExpired, ValueError
        ):  # ValueError: another thread was first
            process.wait(_EXIT_SECONDS)
            _started.remove(process)


@atexit.register
def _silence_warnings() -> None:
    """Prevent a ResourceWarning for what is intended: a supervisor exits by itself, after its owner."""
    for process in _started:
        if process.poll() is None:
            process.returncode = 0
