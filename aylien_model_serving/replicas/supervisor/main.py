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
_DYING_SECONDS = 0.3

#: Seconds between two looks at processes of which the system does not tell when they end.
_LOOK_SECONDS = 0.2


class Supervisor:
    """All that a service hosts.

    Args:
        place: whose service it is, and where.
        launcher: starts replicas.
        loop: tells what happens.
    """

    def __init__(self, place: SupervisorAddress, launcher: Launcher, loop: EventLoop) -> None:
        self._address = place
        self._launcher = launcher
        self._loop = loop
        self._hosted: dict[str, Deployment] = {}
        self._retired: list[Deployment] = []
        self._workers: set[WebWorker] = set()
        self._ends_at: float | None = None
        self._listener = listen(loop, place.socket, self._accept)
        self._owner: int | None = None
        self._watch_owner()

    def run(self) -> None:
        """Do what there is to do until the owner is gone, and all replicas are."""
        while not self._is_done():
            self._loop.wait(self._patience())
            self._look()
            now = time.monotonic()
            for slot in self._slots():
                slot.act(now)
            self._retire(now)
            for worker in self._workers:
                worker.tell(self._replicas_of)

    def _is_done(self) -> bool:
        if self._ends_at is None:
            return False
        return time.monotonic() >= self._ends_at or all(slot.is_finished for slot in self._slots())

    def _patience(self) -> float | None:
        """Return the seconds until something is due; None when only others can bring it about."""
        due = [slot.due for slot in self._slots() if slot.due is not None]
        if self._ends_at is not None:
            due.append(self._ends_at)
        now = time.monotonic()
        if (self._owner is None and self._ends_at is None) or self._unwatched():
            due.append(now + _LOOK_SECONDS)
        return max(0.0, min(due) - now) if due else None

    def _slots(self) -> list[ReplicaSlot]:
        return [slot for hosting in (*self._hosted.values(), *self._retired) for slot in hosting.slots]

    def _unwatched(self) -> list[ReplicaProcess]:
        processes = [slot.process for slot in self._slots()]
        return [process for process in processes if process is not None and process.needs_polling]

    def _look(self) -> None:
        for process in self._unwatched():
            process.poll()
        if self._owner is None and self._ends_at is None and not self._address.owner_is_alive():
            self._leave()

    def _watch_owner(self) -> None:
        try:
            self._owner = open_pidfd(self._address.owner)
        except ProcessLookupError:
            self._leave()
        if self._owner is not None:
            self._loop.watch(self._owner, self._leave)

    def _leave(self) -> None:
        """Begin the end: no further workers, and no further calls."""
        now = time.monotonic()
        self._ends_at = now + _DRAIN_SECONDS + _DYING_SECONDS
        if self._owner is not None:
            self._loop.forget(self._owner)
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for hosting in (*self._hosted.values(), *self._retired):
            hosting.drain(now, _DRAIN_SECONDS)

    def _accept(self, sock: socket.socket) -> None:
        self._workers.add(WebWorker(self._loop, sock, self._heard, self._lost))

    def _heard(self, worker: WebWorker, wish: HostRequest) -> None:
        if self._ends_at is not None:
            return
        if wish.host is not None:
            self._host(worker, wish.host, wish.since)
        if wish.release is not None:
            worker.unsubscribe(wish.release)
            if wish.release in self._hosted:
                self._hosted[wish.release].release(worker)

    def _host(self, worker: WebWorker, spec: Spec, since: float) -> None:
        key = spec.key
        if key not in self._hosted:
            slots = self._launcher.slots(spec, self._slots(), time.monotonic())
            self._hosted[key] = Deployment(spec, slots)
        self._hosted[key].want(worker, since)
        worker.subscribe(key)

    def _lost(self, worker: WebWorker) -> None:
        self._workers.discard(worker)
        for hosting in self._hosted.values():
            hosting.lose(worker)

    def _retire(self, now: float) -> None:
        statuses = {key: hosting.version_status() for key, hosting in self._hosted.items()}
        for key in rollout.retired_versions(statuses):
            hosting = self._hosted.pop(key)
            logger.info("Version %s of %s goes", hosting.spec.version, hosting.spec.name)
            hosting.drain(now)
            self._retired.append(hosting)
        self._retired = [
            hosting for hosting in self._retired if not all(slot.is_finished for slot in hosting.slots)
        ]

    def _replicas_of(self, key: str) -> list[Replica]:
        """Return what a worker that wants a key is told of: its replicas, and those that stand in for it."""
        statuses = {key: hosting.version_status() for key, hosting in self._hosted.items()}
        other = rollout.fallback_version(key, statuses)
        return self._hosted[key].replicas() + ([] if other is None else self._hosted[other].ready())


def main(arguments: Sequence[str]) -> None:
    """Supervise until the owner is gone."""
    interpreter.restore(os.environ)
    settings = Settings.load()
    logs.configure(settings)
    home, owner, descriptor, *command = arguments
    place = SupervisorAddress(Path(home), int(owner), tuple(command))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stay)
    with _alone(place):
        _remove_leftovers(place.folder)
        loop = EventLoop()
        launcher = Launcher(
            loop,
            place.folder,
            place.replica_command or interpreter.command("aylien_model_serving.replicas.replica.main"),
            os.environ,
            settings.metrics_dir or str(place.home / "metrics"),
        )
        supervisor = Supervisor(place, launcher, loop)
        with socket.socket(fileno=int(descriptor)) as starter:
            starter.send(b"!")
        supervisor.run()
        shutil.rmtree(place.home, ignore_errors=True)


def _stay(*_: object) -> None:
    """Go with the owner alone; a function, since replicas would inherit a signal that is ignored."""


@contextlib.contextmanager
def _alone(place: SupervisorAddress) -> Iterator[None]:
    with open(place.folder / "supervisor.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another supervisor has {place.folder} already")
        yield


def _remove_leftovers(folder: Path) -> None:
    """Remove the files of a supervisor that was killed, whose replicas went with it."""
    for pattern in ("*.sock", "*.record"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
