"""The supervisor of a service's replicas: starts them, announces them to web workers, ends with the owner.

    python -m aylien_model_serving.replicas.supervisor.main <folder> <pid> <descriptor> [<command> …]

Folder and pid are the owner's; the descriptor is one end of a socket to the worker that starts this, which is
sent a byte when it may connect; the command starts a replica. This file connects the parts; decisions are
made in `rollout` and `slots`. It knows no handler.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aylien_model_serving.core import logging as logs
from aylien_model_serving.core import start_log
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.process import held_folders, interpreter, owner
from aylien_model_serving.replicas.client.supervisor_start import SupervisorAddress
from aylien_model_serving.replicas.supervisor import rollout
from aylien_model_serving.replicas.supervisor.child_process import ReplicaProcess
from aylien_model_serving.replicas.supervisor.deployment import Deployment
from aylien_model_serving.replicas.supervisor.event_loop import EventLoop, listen
from aylien_model_serving.replicas.supervisor.launcher import Launcher
from aylien_model_serving.replicas.supervisor.programs import Programs
from aylien_model_serving.replicas.supervisor.slots import ReplicaSlot
from aylien_model_serving.replicas.supervisor.web_worker import WebWorker
from aylien_model_serving.rpc.control_messages import (
    HostRequest,
    ReloadAnswer,
    ReloadRequest,
    Replica,
    followed,
)
from aylien_model_serving.rpc.spec import Spec

logger = logging.getLogger("aylien_model_serving.replicas.supervisor.main")

#: Seconds that replicas have to finish their calls when the owner has exited, and then to be killed.
_DRAIN_SECONDS = 1.5
_KILL_SECONDS = 0.3

#: Seconds between two polls of processes whose exit the system does not report.
_POLL_SECONDS = 0.2


class Supervisor:
    """All deployments of a service, and the workers that need them.

    Args:
        address: the service's owner and folder.
        launcher: starts replicas.
        loop: watches sockets and processes.
    """

    def __init__(self, address: SupervisorAddress, launcher: Launcher, loop: EventLoop) -> None:
        self._address = address
        self._launcher = launcher
        self._loop = loop
        self._deployments: dict[str, Deployment] = {}
        self._draining: list[Deployment] = []
        self._workers: set[WebWorker] = set()
        self._followed: dict[str, tuple[str, str | None]] = {}
        self._ends_at: float | None = None
        self._listener = listen(loop, address.socket, self._accept)
        self._owner: int | None = None
        self._watch_owner()

    def run(self) -> None:
        """Handle events until the owner and all replicas have exited."""
        while not self._is_done():
            self._loop.wait(self._timeout())
            self._poll()
            now = time.monotonic()
            for deployment in self._deployments.values():
                deployment.run_due(now)
            for slot in self._slots():
                slot.run_due(now)
            self._roll_out(now)
            for worker in self._workers:
                worker.send_updates(self._replicas_of)

    def _is_done(self) -> bool:
        if self._ends_at is None:
            return False
        return time.monotonic() >= self._ends_at or all(slot.is_finished for slot in self._slots())

    def _timeout(self) -> float | None:
        """Return the seconds until something is due; None when only an event can make it so."""
        due = [slot.due for slot in self._slots() if slot.due is not None]
        due += [deployment.due for deployment in self._deployments.values() if deployment.due is not None]
        if self._ends_at is not None:
            due.append(self._ends_at)
        now = time.monotonic()
        if (self._owner is None and self._ends_at is None) or self._to_poll():
            due.append(now + _POLL_SECONDS)
        return max(0.0, min(due) - now) if due else None

    def _slots(self) -> list[ReplicaSlot]:
        return [
            slot for deployment in (*self._deployments.values(), *self._draining) for slot in deployment.slots
        ]

    def _to_poll(self) -> list[ReplicaProcess]:
        processes = [slot.process for slot in self._slots()]
        return [process for process in processes if process is not None and process.needs_polling]

    def _poll(self) -> None:
        for process in self._to_poll():
            process.poll()
        if self._owner is None and self._ends_at is None and not self._address.owner_is_alive():
            self._shut_down()

    def _watch_owner(self) -> None:
        try:
            self._owner = owner.open_pidfd(self._address.owner)
        except ProcessLookupError:
            self._shut_down()
        if self._owner is not None:
            self._loop.watch(self._owner, self._shut_down)

    def _shut_down(self) -> None:
        """Accept no further workers, and drain all replicas."""
        now = time.monotonic()
        self._ends_at = now + _DRAIN_SECONDS + _KILL_SECONDS
        if self._owner is not None:
            self._loop.forget(self._owner)
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for deployment in (*self._deployments.values(), *self._draining):
            deployment.drain(now, _DRAIN_SECONDS)

    def _accept(self, sock: socket.socket) -> None:
        self._workers.add(WebWorker(self._loop, sock, self._on_request, self._on_worker_lost))

    def _on_request(self, worker: WebWorker, request: HostRequest) -> None:
        if self._ends_at is not None:
            return
        if request.follow is not None:
            self._follow(worker, (request.follow, request.service), request)
        elif request.host is not None:
            self._host(worker, request.host, request.since)
            worker.subscribe(request.host.key)
        if request.wake is not None:
            self._wake(request.wake)
        if request.reload is not None:
            worker.send_answer(self._reload(request.reload))
        if request.release is not None:
            worker.unsubscribe(request.release)
            if request.release in self._deployments:
                self._deployments[request.release].release(worker, request.within)

    def _host(self, worker: WebWorker, spec: Spec, since: float) -> None:
        key = spec.key
        if key not in self._deployments:
            slots = self._launcher.create_slots(spec, self._slots())
            most = self._launcher.most_replicas(spec)
            self._deployments[key] = Deployment(spec, slots, self._create_slot, most, time.monotonic())
            if not spec.protocol:
                devices = ", ".join(slot.device for slot in slots)
                start_log.logger.info("The runner of %s loads on %s", spec.name, devices)
        self._deployments[key].add_worker(worker, since)

    def _follow(self, worker: WebWorker, runner: tuple[str, str | None], request: HostRequest) -> None:
        """Have a worker told of a runner's replicas; host what it sends if nobody has done so."""
        newest = max(
            (each.spec.generation for each in self._deployments.values() if _is_of(each, runner)),
            default=-1,
        )
        if request.host is not None and request.host.generation > newest:
            self._host(worker, request.host, request.since)
        self._followed[followed(*runner)] = runner
        worker.subscribe(followed(*runner))

    def _create_slot(self, spec: Spec, number: int, device: str | None) -> ReplicaSlot:
        if device is None:
            device = self._launcher.choose_device(spec, number, self._slots())
        return self._launcher.create_slot(spec, number, device)

    def _wake(self, key: str) -> None:
        found = self._latest(self._followed[key]) if key in self._followed else key
        if found in self._deployments:
            self._deployments[found].wake(time.monotonic())

    def _reload(self, request: ReloadRequest) -> ReloadAnswer:
        asked = self._deployments.get(request.key)
        if asked is None:
            return ReloadAnswer()
        group = asked.version_status().group
        latest = self._deployments[self._latest_key(lambda each: each.version_status().group == group) or ""]
        return latest.begin_reload(time.monotonic()) if request.begin else latest.last_reload()

    def _on_worker_lost(self, worker: WebWorker) -> None:
        self._workers.discard(worker)
        for deployment in self._deployments.values():
            deployment.lose_worker(worker)

    def _roll_out(self, now: float) -> None:
        statuses = {key: deployment.version_status() for key, deployment in self._deployments.items()}
        for key in rollout.versions_to_retire(statuses):
            deployment = self._deployments.pop(key)
            logger.info("Version %s of %s is retired", deployment.spec.version, deployment.spec.name)
            deployment.drain(now, deployment.drains_within)
            self._draining.append(deployment)
        self._draining = [
            deployment
            for deployment in self._draining
            if not all(slot.is_finished for slot in deployment.slots)
        ]

    def _replicas_of(self, key: str) -> list[Replica]:
        """Return what is announced to a worker for a key: its replicas, and its fallback's ready ones."""
        if key in self._followed:
            latest = self._latest(self._followed[key])
            return [] if latest is None else self._replicas_of(latest)
        statuses = {key: deployment.version_status() for key, deployment in self._deployments.items()}
        fallback = rollout.fallback_version(key, statuses)
        ready = [] if fallback is None else self._deployments[fallback].ready()
        return self._deployments[key].replicas() + ready

    def _latest(self, runner: tuple[str, str | None]) -> str | None:
        """Return the key of a runner's latest version."""
        return self._latest_key(lambda deployment: _is_of(deployment, runner))

    def _latest_key(self, is_meant: Callable[[Deployment], bool]) -> str | None:
        keys = [key for key, deployment in self._deployments.items() if is_meant(deployment)]
        return max(keys, key=lambda key: self._deployments[key].version_status().since, default=None)


def _is_of(deployment: Deployment, runner: tuple[str, str | None]) -> bool:
    """Return whether a deployment is a version of a runner: of this name, and of this service or any."""
    name, service = runner
    spec = deployment.spec
    return spec.name == name and not spec.protocol and service in (None, spec.service)


def main(arguments: Sequence[str]) -> None:
    """Supervise until the owner has exited."""
    interpreter.restore(os.environ)
    settings = Settings.load()
    logs.configure(settings)
    home, owner, descriptor, *command = arguments
    address = SupervisorAddress(Path(home), int(owner), tuple(command))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ignore_signal)
    held_folders.hold(address.home)
    with _single_instance(address):
        _remove_leftovers(address.folder)
        loop = EventLoop()
        launcher = Launcher(
            loop,
            address.folder,
            Programs(address.replica_command) if address.replica_command else Programs(),
            os.environ,
            settings.metrics_dir or str(address.home / "metrics"),
            address.owner,
            address.code,
        )
        supervisor = Supervisor(address, launcher, loop)
        with socket.socket(fileno=int(descriptor)) as starter:
            starter.send(b"!")
        supervisor.run()
        held_folders.remove(address.home)


def _ignore_signal(*_: object) -> None:
    """Exit with the owner alone; a function, since replicas would inherit a signal that is ignored."""


@contextlib.contextmanager
def _single_instance(address: SupervisorAddress) -> Iterator[None]:
    with open(address.folder / "supervisor.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another supervisor has {address.folder} already")
        yield


def _remove_leftovers(folder: Path) -> None:
    """Remove the files of a supervisor that was killed, whose replicas ended with it."""
    for pattern in ("*.sock", "*.record"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
