"""The process that holds one copy of a model and answers calls for it.

    python -m aylien_model_serving.replicas.replica.main <descriptor>

The descriptor is one end of a socket to the supervisor, which sends what to host; when it closes, the replica
exits at once. Its parent has asked the kernel to kill it as well, which a handler that does not yield can't
delay. This file prepares the process; what is hosted is in `host`.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from aylien_model_serving.core import logging as logs
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.process import interpreter, lifecycle, owner, standard_output
from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
from aylien_model_serving.replicas.replica.host import HostedHandler, fail
from aylien_model_serving.replicas.replica.imported_code import ImportedCode
from aylien_model_serving.replicas.replica.supervisor_channel import SupervisorChannel
from aylien_model_serving.rpc.control_messages import Status
from aylien_model_serving.rpc.spec import Spec, load_main

logger = logging.getLogger(__name__)

#: Seconds after which a thread yields the interpreter to another: calls are read while a handler computes,
#: and a handler that is woken must not wait until a batch of replies has been written.
_SWITCH_INTERVAL = 0.0005


def main(descriptor: int) -> None:
    """Host what the supervisor commands, until it commands to drain."""
    interpreter.restore(os.environ)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ignore_signal)
    sys.setswitchinterval(_SWITCH_INTERVAL)
    standard_output.show_lines_at_once()
    lifecycle.is_replica = True
    supervisor = SupervisorChannel(socket.socket(fileno=descriptor))
    settings = Settings.load()
    logs.configure(settings)
    spec, command = supervisor.first_command()
    lifecycle.generation = spec.generation  # that of models which its handler is the first to call
    SupervisorClient.join(Path(command.socket).parents[1], command.owner)
    lifecycle.loads = spec.name
    loading = contextlib.ExitStack()
    loading.callback(setattr, lifecycle, "loads", "")
    lock = contextlib.ExitStack()
    lock.enter_context(_loading_lock(settings))
    loading.callback(lock.close)
    lifecycle.let_others_load = lock.close
    supervisor.report(Status(state="loading"))
    if spec.reports_code:
        code = ImportedCode(lambda stamps: supervisor.report(Status(code=stamps)))
        code.watch()
        loading.callback(code.report)  # before it is ready, and a change could matter
    try:
        adopt_environment(spec)
        hosted = HostedHandler(spec, command, settings)
    except BaseException as error:
        fail(supervisor, spec, error)
    hosted.serve(supervisor, loading.close)


def _ignore_signal(number: int, _: object) -> None:
    """Ignore it: a replica exits on its supervisor's command. What a handler starts does not inherit this."""


@contextlib.contextmanager
def _loading_lock(settings: Settings) -> Iterator[None]:
    """Hold the lock under which one replica of this user loads at a time: two need twice the memory."""
    if settings.parallel_loading:
        yield
        return
    with open(owner.home() / "loading.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def adopt_environment(spec: Spec) -> None:
    """Set the folder and the import path of the web worker that named the handler."""
    with contextlib.suppress(OSError):  # the folder is gone, and the handler may not need it
        os.chdir(spec.folder)
    sys.path[:] = spec.sys_path
    if spec.main is not None:
        load_main(spec.main)


if __name__ == "__main__":
    main(int(sys.argv[1]))
