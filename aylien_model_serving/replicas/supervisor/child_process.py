"""One replica's process, as its parent sees it: started, told what to host, listened to, and ended for good.

The kernel ends it with its parent. It leads a group of processes, so that what it started goes with it.
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

from aylien_model_serving.replicas.supervisor.event_loop import EventLoop, PeerSocket
from aylien_model_serving.rpc.control_messages import Command, Status

#: prctl(2): the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


class ReplicaProcess(Protocol):
    """What a slot needs of a replica's process."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def needs_polling(self) -> bool:
        """Whether nobody but `poll` notices its end."""

    def poll(self) -> None:
        """Notice its end, if it has ended."""

    def drain(self, until: float) -> None:
        """Ask it to finish what it has, and leave before a time."""

    def kill(self) -> None:
        """End it and what it started, at once."""


class ChildProcess:
    """A replica's process.

    Args:
        loop: tells when it speaks or ends.
        command: starts it; the number of its descriptor is appended.
        environ: its variables.
        order: what it hosts.
        heard: takes what it says.
        ended: is called once it is gone, with how it ended, in words.

    Raises:
        OSError: it can't be started.
    """

    def __init__(
        self,
        loop: EventLoop,
        command: Sequence[str],
        environ: Mapping[str, str],
        order: Command,
        on_message: Callable[[Status], None],
        on_exit: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._on_exit = on_exit
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = _spawn(command, theirs.fileno(), environ)
        except BaseException:
            ours.close()
            raise
        self._pidfd = open_pidfd(self._process.pid)
        if self._pidfd is not None:
            loop.watch(self._pidfd, self.poll)
        self._peer = PeerSocket(loop, ours, Status, on_message, self.kill)
        self._peer.send(order)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def needs_polling(self) -> bool:
        return self._pidfd is None and self._process.returncode is None

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
        self._on_exit(_describe_exit(status))


def _spawn(command: Sequence[str], descriptor: int, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def end_with_parent() -> None:
        """Run between fork and exec, in a parent that has one thread."""
        with contextlib.suppress(AttributeError):  # no prctl, as on macOS: the end of its socket has to do
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        [*command, str(descriptor)],
        stdin=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env=environ,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )


def open_pidfd(pid: int) -> int | None:
    """Return a descriptor that can be read once a process has ended; None where the system has none.

    Raises:
        ProcessLookupError: there is no such process.
    """
    opened = getattr(os, "pidfd_open", None)
    if opened is None:
        return None
    try:
        return int(opened(pid))
    except ProcessLookupError:
        raise
    except OSError:
        return None


def _describe_exit(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-status).name}"
    return f"was ended by signal {-status}"
