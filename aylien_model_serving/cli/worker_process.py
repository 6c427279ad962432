"""The process that runs a service's jobs: it owns their replicas, and tells how it is.

    python -m aylien_model_serving.cli.worker_process <folder> <module> <expression> <host> <port> <grace>

`model-serving worker` becomes this, in the role of a worker. It claims no job itself: the replicas do, which
end with it, and which get the time of its grace where it is asked to end.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from aylien_model_serving.cli.resolve_app import resolve_app
from aylien_model_serving.cli.targets import AppTarget
from aylien_model_serving.core import start_errors
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.runner import EnqueueExecutor
from aylien_model_serving.process import interpreter, lifecycle, owner, standard_output
from aylien_model_serving.rpc.hosted import HostedExecutor
from aylien_model_serving.servers.health_server import HealthServer
from aylien_model_serving.service import Service
from aylien_model_serving.web import ops_endpoints, roles
from aylien_model_serving.web.app import ServingFlask

#: Signals that ask this process to end, the second of them at once.
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

#: Seconds that replicas have at least, in which they give jobs back.
_LEAST_GRACE = 1.5

#: Seconds between two looks at replicas that end.
_POLL_SECONDS = 0.1


class StopSignals:
    """Notes the signals that ask this process to end; made on its main thread."""

    def __init__(self) -> None:
        self.has_come = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        # The kernel may give a signal to another thread, and Python's handler wakes no main thread then.
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, _ignore)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the next signal, and return whether one of those has come."""
        if not select.select([self._reader], [], [], seconds)[0]:
            return False
        is_meant = os.read(self._reader, 1)[0] in _SIGNALS
        self.has_come = self.has_come or is_meant
        return is_meant


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the number of the signal is in the pipe."""


def main(target: AppTarget, host: str, port: int, grace: float) -> None:
    """Work until a signal comes.

    Args:
        target: the app.
        host, port: where it tells how it is.
        grace: seconds that running jobs have at the end.

    Raises:
        ConfigurationError: the app can't be built, or has no jobs.
    """
    interpreter.restore(os.environ)
    standard_output.show_lines_at_once()
    start_errors.install()
    lifecycle.is_job_worker = True
    sys.path.insert(0, str(target.folder))
    app = _built(target)
    signals = StopSignals()
    lifecycle.add_drain_check(lambda: signals.has_come)
    lifecycle.loaded()
    with HealthServer(host, port, ops_endpoints.STATE_PATHS, app.wsgi_app).running():
        while not signals.wait():
            pass  # a signal that the service itself handles
        _finish_jobs(signals, max(grace, _LEAST_GRACE))


def _built(target: AppTarget) -> ServingFlask:
    """Return the app that has jobs; its replicas are being started."""
    found: Any = resolve_app(import_module(target.module), target.expression).app
    if isinstance(found, Service):
        found = found.wsgi
    if not roles.workers:
        raise ConfigurationError(
            f"{target} has no route with the key 'job': there is nothing to work on, and `model-serving run` "
            "serves its other routes"
        )
    return found if found in roles.workers else roles.workers[-1]


def _finish_jobs(signals: StopSignals, grace: float) -> None:
    """Have the replicas claim no more and end, with their jobs where these end in time or a signal comes."""
    executors = [
        endpoint.executor.workers
        for app in roles.workers
        for endpoint in app.state.endpoints
        if isinstance(endpoint.executor, EnqueueExecutor)
    ]
    names = [owner.name_of(replica.pid) for each in executors for replica in each.replicas() if replica.pid]
    for executor in executors:
        if isinstance(executor, HostedExecutor):
            executor.retire(grace)
    until = time.monotonic() + grace
    while any(map(owner.is_alive, names)) and time.monotonic() < until:
        if signals.wait(_POLL_SECONDS):
            return


if __name__ == "__main__":
    main(AppTarget(Path(sys.argv[1]), *sys.argv[2:4]), sys.argv[4], int(sys.argv[5]), float(sys.argv[6]))
