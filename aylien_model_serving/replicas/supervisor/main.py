"""The process that has a service's replicas: starts them, tells the web workers of them, goes with the owner.

    python -m aylien_model_serving.replicas.supervisor.main <folder> <pid> <descriptor> [<command> …]

Folder and pid are the owner's; the descriptor is one end of a socket to the worker that starts this, which
hears when it may connect; the command starts a replica. What is decided is decided in the rooms beside.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from aylien_model_serving.core import logging as logs
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.process import interpreter
from aylien_model_serving.replicas.client.supervisor_start import SupervisorAddress
from aylien_model_serving.replicas.supervisor import rollout
from aylien_model_serving.replicas.supervisor.child_process import ReplicaProcess, open_pidfd
from aylien_model_serving.replicas.supervisor.deployment import Deployment
from aylien_model_serving.replicas.supervisor.event_loop import EventLoop, listen
from aylien_model_serving.replicas.supervisor.launcher import Launcher
from aylien_model_serving.replicas.supervisor.slots import ReplicaSlot
from aylien_model_serving.replicas.supervisor.web_worker import WebWorker
from aylien_model_serving.rpc.control_messages import HostRequest, Replica
from aylien_model_serving.rpc.spec import Spec

logger = logging.getLogger("aylien_model_serving.replicas.supervisor.main")

#: Seconds that replicas have for the calls they have begun when the owner is gone, and then to die.
_DRAIN_SECONDS = 1.5
_KILL_SECONDS = 0.3

#: Seconds between two looks at processes of which the system does not tell when they end.
_POLL_SECONDS = 0.2


class Supervisor:
    """All that a service hosts.

    Args:
        place: whose service it is, and where.
        launcher: starts replicas.
        loop: tells what happens.
    """

    def __init__(self, address: SupervisorAddress, launcher: Launcher, loop: EventLoop) -> None:
        self._address = address
        self._launcher = launcher
        self._loop = loop
        self._deployments: dict[str, Deployment] = {}
        self._draining: list[Deployment] = []
        self._workers: set[WebWorker] = set()
        self._ends_at: float | None = None
        self._listener = listen(loop, address.socket, self._accept)
        self._owner: int | None = None
        self._watch_owner()

    def run(self) -> None:
        """Do what there is to do until the owner is gone, and all replicas are."""
        while not self._is_done():
            self._loop.wait(self._timeout())
            self._poll()
            now = time.monotonic()
            for slot in self._slots():
                slot.run_due(now)
            self._roll_out(now)
            for worker in self._workers:
                worker.tell(self._replicas_of)

    def _is_done(self) -> bool:
        if self._ends_at is None:
            return False
        return time.monotonic() >= self._ends_at or all(slot.is_finished for slot in self._slots())

    def _timeout(self) -> float | None:
        """Return the seconds until something is due; None when only others can bring it about."""
        due = [slot.due for slot in self._slots() if slot.due is not None]
        if self._ends_at is not None:
            due.append(self._ends_at)
        now = time.monotonic()
        if (self._owner is None and self._ends_at is None) or self._unwatched():
            due.append(now + _POLL_SECONDS)
        return max(0.0, min(due) - now) if due else None

    def _slots(self) -> list[ReplicaSlot]:
        return [
            slot for deployment in (*self._deployments.values(), *self._draining) for slot in deployment.slots
        ]

    def _unwatched(self) -> list[ReplicaProcess]:
        processes = [slot.process for slot in self._slots()]
        return [process for process in processes if process is not None and process.needs_polling]

    def _poll(self) -> None:
        for process in self._unwatched():
            process.poll()
        if self._owner is None and self._ends_at is None and not self._address.owner_is_alive():
            self._shut_down()

    def _watch_owner(self) -> None:
        try:
            self._owner = open_pidfd(self._address.owner)
        except ProcessLookupError:
            self._shut_down()
        if self._owner is not None:
            self._loop.watch(self._owner, self._shut_down)

    def _shut_down(self) -> None:
        """Begin the end: no further workers, and no further calls."""
        now = time.monotonic()
        self._ends_at = now + _DRAIN_SECONDS + _KILL_SECONDS
        if self._owner is not None:
            self._loop.forget(self._owner)
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for deployment in (*self._deployments.values(), *self._draining):
            deployment.drain(now, _DRAIN_SECONDS)

    def _accept(self, sock: socket.socket) -> None:
        self._workers.add(WebWorker(self._loop, sock, self._on_message, self._on_closed))

    def _on_message(self, worker: WebWorker, wish: HostRequest) -> None:
        if self._ends_at is not None:
            return
        if wish.host is not None:
            self._host(worker, wish.host, wish.since)
        if wish.release is not None:
            worker.unsubscribe(wish.release)
            if wish.release in self._deployments:
                self._deployments[wish.release].release(worker)

    def _host(self, worker: WebWorker, spec: Spec, since: float) -> None:
        key = spec.key
        if key not in self._deployments:
            slots = self._launcher.slots(spec, self._slots(), time.monotonic())
            self._deployments[key] = Deployment(spec, slots)
        self._deployments[key].add_worker(worker, since)
        worker.subscribe(key)

    def _on_closed(self, worker: WebWorker) -> None:
        self._workers.discard(worker)
        for deployment in self._deployments.values():
            deployment.lose_worker(worker)

    def _roll_out(self, now: float) -> None:
        statuses = {key: deployment.version_status() for key, deployment in self._deployments.items()}
        for key in rollout.retired_versions(statuses):
            deployment = self._deployments.pop(key)
            logger.info("Version %s of %s goes", deployment.spec.version, deployment.spec.name)
            deployment.drain(now)
            self._draining.append(deployment)
        self._draining = [
            deployment
            for deployment in self._draining
            if not all(slot.is_finished for slot in deployment.slots)
        ]

    def _replicas_of(self, key: str) -> list[Replica]:
        """Return what a worker that wants a key is told of: its replicas, and those that stand in for it."""
        statuses = {key: deployment.version_status() for key, deployment in self._deployments.items()}
        other = rollout.fallback_version(key, statuses)
        return self._deployments[key].replicas() + ([] if other is None else self._deployments[other].ready())


def main(arguments: Sequence[str]) -> None:
    """Supervise until the owner is gone."""
    interpreter.restore(os.environ)
    settings = Settings.load()
    logs.configure(settings)
    home, owner, descriptor, *command = arguments
    address = SupervisorAddress(Path(home), int(owner), tuple(command))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ignore_signal)
    with _single_instance(address):
        _remove_leftovers(address.folder)
        loop = EventLoop()
        launcher = Launcher(
            loop,
            address.folder,
            address.replica_command or interpreter.command("aylien_model_serving.replicas.replica.main"),
            os.environ,
            settings.metrics_dir or str(address.home / "metrics"),
        )
        supervisor = Supervisor(address, launcher, loop)
        with socket.socket(fileno=int(descriptor)) as starter:
            starter.send(b"!")
        supervisor.run()
        shutil.rmtree(address.home, ignore_errors=True)


def _ignore_signal(*_: object) -> None:
    """Go with the owner alone; a function, since replicas would inherit a signal that is ignored."""


@contextlib.contextmanager
def _single_instance(address: SupervisorAddress) -> Iterator[None]:
    with open(address.folder / "supervisor.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another supervisor has {address.folder} already")
        yield


def _remove_leftovers(folder: Path) -> None:
    """Remove the files of a supervisor that was killed, whose replicas went with it."""
    for pattern in ("*.sock", "*.record"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
