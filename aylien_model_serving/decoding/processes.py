"""Decoder processes: started, killed and reaped on one thread of the operating system.

The kernel sends the signal of `PR_SET_PDEATHSIG` when the thread ends that started a process, not when its
process does: so a thread that lasts starts all of them. What it runs, gevent has not patched.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from _queue import Empty, SimpleQueue
from collections.abc import Callable, Mapping

from aylien_model_serving.decoding.channel import Channel
from aylien_model_serving.process import interpreter, native_threads

logger = logging.getLogger(__name__)

_MODULE = "aylien_model_serving.decoding.worker"

#: How the variables start that a decoder gets: where Python and its libraries are, the language, and by what
#: tests find the processes of a service.
_INHERITED = (
    "PATH",
    "PYTHON",
    "LD_",
    "DYLD_",
    "LANG",
    "LC_",
    "TMPDIR",
    "VIRTUAL_ENV",
    "CONDA_",
    "NIX_",
    "SERVICE_FOLDER",
)

#: One thread in each library, and memory that returns to the system: a decoder waits most of the time. No
#: module comes from the working folder, where clients' files may lie.
_FIXED = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
}


class DecoderProcess:
    """A process of one decoder, and the channel to it.

    Args:
        channel: to the decoder, which may still be starting.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.idle_since = 0.0
        self.is_ended = False
        self.pid = 0


class Keeper:
    """The thread that starts and reaps decoders.

    Args:
        environ: of the service.
        look: called when there has been nothing to do for some time.
        pause: that time, in seconds.
    """

    def __init__(self, environ: Mapping[str, str], look: Callable[[], None], pause: float) -> None:
        self._environ = environment_of(environ)
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._look = look
        self._pause = pause
        native_threads.original("_thread", "start_new_thread")(self._run, ())

    def start(self) -> DecoderProcess:
        """Have a decoder started; its channel's other end is closed if that fails."""
        ours, descriptor = (end.detach() for end in socket.socketpair())
        os.set_blocking(ours, False)
        os.set_blocking(descriptor, True)  # which gevent's sockets are not
        started = DecoderProcess(Channel(ours))
        self._tasks.put(lambda: self._start(started, descriptor))
        return started

    def end(self, decoder: DecoderProcess) -> None:
        """Have a decoder killed, wherever it is."""
        decoder.channel.close()
        self._tasks.put(lambda: _end(decoder.pid))

    def _start(self, decoder: DecoderProcess, descriptor: int) -> None:
        command = interpreter.command(_MODULE, os.getpid())
        try:
            decoder.pid = native_threads.original("os", "posix_spawn")(
                sys.executable,
                command,
                self._environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, descriptor, 0)],
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
                setsid=True,
            )
        except OSError:
            logger.exception("A process that decodes files can't be started")
        finally:
            os.close(descriptor)

    def _run(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=self._pause)
            except Empty:
                task = self._look
            try:
                task()
            except Exception:
                logger.exception("Processes that decode files can't be looked after")


def environment_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a decoder, in which nothing of the service's secrets is."""
    kept = {name: value for name, value in environ.items() if name.startswith(_INHERITED)}
    return {**interpreter.environment(kept), **_FIXED}


def _end(pid: int) -> None:
    """Kill a decoder and reap it; the log has why, if it had ended by itself."""
    if not pid:
        return
    with contextlib.suppress(OSError):  # another part of the process has reaped it
        waitpid = native_threads.original("os", "waitpid")
        ended, status = waitpid(pid, os.WNOHANG)
        if not ended:
            os.kill(pid, signal.SIGKILL)
            waitpid(pid, 0)
        elif status:
            logger.warning("A process that decodes files %s", _describe(status))


def _describe(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with status {os.WEXITSTATUS(status)}"
