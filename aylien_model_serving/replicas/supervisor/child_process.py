"""One replica's process, as the supervisor sees it: spawned, commanded, watched and killed.

The kernel kills it with its parent. It leads a process group, so that what it started ends with it. Knows
nothing of versions and restarts; `slots` decides those.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aylien_model_serving.process import owner
from aylien_model_serving.replicas.supervisor.event_loop import EventLoop, PeerSocket
from aylien_model_serving.rpc.control_messages import Command, Status

#: prctl(2): the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


class ReplicaProcess(Protocol):
    """The part of a replica's process that a slot uses."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def needs_polling(self) -> bool:
        """Whether only `poll` notices its exit."""

    def poll(self) -> None:
        """Reap it and report its exit, if it has exited."""

    def ask(self) -> None:
        """Ask it for a sign of life."""

    def ask_load(self) -> None:
        """Ask it for its load."""

    def drain(self, until: float) -> None:
        """Ask it to finish its calls and to exit by a time."""

    def kill(self) -> None:
        """Kill it and what it started, at once."""


class ChildProcess:
    """A replica's process, started when this is made.

    Args:
        loop: watches its socket and its exit.
        argv: starts it; the number of its descriptor is appended.
        environ: its environment.
        nice: by how much it stands back behind other processes.
        command: the first command: what it hosts, and where.
        on_message: called with each status that it sends.
        on_exit: called once it has exited, with a description of how.

    Raises:
        OSError: it can't be started.
    """

    def __init__(
        self,
        loop: EventLoop,
        argv: Sequence[str],
        environ: Mapping[str, str],
        nice: int,
        command: Command,
        on_message: Callable[[Status], None],
        on_exit: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._on_exit = on_exit
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = _spawn(argv, theirs.fileno(), environ, nice)
        except BaseException:
            ours.close()
            raise
        self._pidfd = owner.open_pidfd(self._process.pid)
        if self._pidfd is not None:
            loop.watch(self._pidfd, self.poll)
        self._peer = PeerSocket(loop, ours, Status, on_message, self.kill)
        self._peer.send(command)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def needs_polling(self) -> bool:
        return self._pidfd is None and self._process.returncode is None

    def ask(self) -> None:
        self._peer.send(Command(heartbeat=True))

    def ask_load(self) -> None:
        self._peer.send(Command(load=True))

    def drain(self, until: float) -> None:
        self._peer.send(Command(drain=until))

    def kill(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def poll(self) -> None:
        if self._process.returncode is not None:
            return
        status = self._process.poll()
        if status is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it started
        self._peer.read_all()
        self._peer.close()
        if self._pidfd is not None:
            self._loop.forget(self._pidfd)
            os.close(self._pidfd)
        with contextlib.suppress(
            OSError
        ):  # where the folder of all services can't be had, nothing is left in it
            owner.remove_unheld_folders()
        self._on_exit(_describe_exit(status))


def _spawn(
    argv: Sequence[str], descriptor: int, environ: Mapping[str, str], nice: int
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def prepare() -> None:
        """Run between fork and exec, which is safe in a parent that has one thread."""
        os.nice(nice)
        with contextlib.suppress(
            AttributeError
        ):  # no prctl, as on macOS: there the end of its socket ends it
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        [*argv, str(descriptor)],
        stdin=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env=environ,
        start_new_session=True,
        preexec_fn=prepare,
    )


def _describe_exit(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-status).name}"
    return f"was ended by signal {-status}"
