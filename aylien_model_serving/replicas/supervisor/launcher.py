"""Launches replicas: their environment, devices and files, and the removal of the files afterwards.

Knows how a process is started; when one is started is decided in `slots`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from aylien_model_serving.core import secrets
from aylien_model_serving.process import interpreter
from aylien_model_serving.replicas.cluster.ray_client import VARIABLES
from aylien_model_serving.replicas.supervisor import cpus, devices
from aylien_model_serving.replicas.supervisor.child_process import ChildProcess
from aylien_model_serving.replicas.supervisor.event_loop import EventLoop
from aylien_model_serving.replicas.supervisor.programs import Programs
from aylien_model_serving.replicas.supervisor.slots import ReplicaSlot
from aylien_model_serving.rpc.code_files import KnownFiles, Stamps
from aylien_model_serving.rpc.control_messages import Command, Status
from aylien_model_serving.rpc.flight_recorder import running_since
from aylien_model_serving.rpc.spec import Spec

logger = logging.getLogger(__name__)

_METRICS = "PROMETHEUS_MULTIPROC_DIR"

#: Flight recorders that are kept for workers that read what a lost replica was running.
_KEPT_RECORDS = 64


class Launcher:
    """Creates slots, and launches their processes.

    Args:
        loop: the supervisor's event loop.
        folder: for sockets and flight recorders.
        programs: chooses what is started.
        environ: the environment of the service.
        metrics: folder of the service's metric files.
        owner: the process that owns the service.
        code: the file of what replicas have imported.
    """

    def __init__(
        self,
        loop: EventLoop,
        folder: Path,
        programs: Programs,
        environ: Mapping[str, str],
        metrics: str,
        owner: int,
        code: Path,
    ) -> None:
        self._loop = loop
        self._folder = folder
        self._programs = programs
        self._environ = environ
        self._metrics = metrics
        self._owner = owner
        self._gpus = devices.visible(environ)
        self._cpus = cpus.available()
        self._incarnations = itertools.count(time.monotonic_ns() // 1000)
        self._code = KnownFiles(code)
        self._records: deque[str] = deque()

    def create_slots(self, spec: Spec, others: Sequence[ReplicaSlot]) -> list[ReplicaSlot]:
        """Return the slots of a runner, each with its device.

        Args:
            spec: what they host.
            others: the existing slots, whose devices are taken.
        """
        slots: list[ReplicaSlot] = []
        for number in range(spec.least_replicas):
            slots.append(self.create_slot(spec, number, self.choose_device(spec, number, [*others, *slots])))
        return slots

    def most_replicas(self, spec: Spec) -> int:
        """Return how many replicas a runner may have: no more than its devices have room for."""
        room = devices.room(spec.devices, len(self._gpus))
        return max(spec.least_replicas, int(min(spec.most_replicas, room)))

    def choose_device(self, spec: Spec, number: int, others: Iterable[ReplicaSlot]) -> str:
        """Return the device of a further replica, beside all others."""
        return devices.choose(spec.devices, number, len(self._gpus), [slot.device for slot in others])

    def create_slot(self, spec: Spec, number: int, device: str) -> ReplicaSlot:
        """Return a slot with a number of its runner, on a device."""
        return ReplicaSlot(spec, number, device, self._launch, running_since, time.monotonic())

    def _launch(self, slot: ReplicaSlot) -> ChildProcess:
        variables = self._variables(slot)
        slot.incarnation = next(self._incarnations)
        slot.socket = str(self._folder / f"{slot.incarnation:x}.sock")
        slot.record = str(self._folder / f"{slot.incarnation:x}.record")
        command = Command(
            spec=slot.spec,
            device=devices.device_in_replica(slot.device),
            socket=slot.socket,
            record=slot.record,
            restarts=slot.restarts,
            owner=self._owner,
        )

        def on_message(status: Status) -> None:
            _apply_status(status, slot)
            if status.code:
                self._add_code(slot.spec, status.code)

        def on_exit(how: str) -> None:
            self._remove_files(slot)
            slot.on_exit(how, time.monotonic())

        argv = self._programs.of(slot.spec)
        return ChildProcess(self._loop, argv, variables, slot.spec.nice, command, on_message, on_exit)

    def _add_code(self, spec: Spec, stamps: Stamps) -> None:
        try:
            self._code.add(spec, stamps)
        except OSError as error:
            logger.warning("A change of the code of %s may go unnoticed: %s", spec.name, error)

    def _variables(self, slot: ReplicaSlot) -> dict[str, str]:
        if slot.spec.ray is not None:
            return {
                **interpreter.environment(secrets.without_secrets(self._environ)),
                **VARIABLES,
                _METRICS: self._metrics,
            }
        if slot.spec.protocol:
            return {**interpreter.environment(self._environ), _METRICS: self._metrics}
        environ = {**self._environ, **slot.spec.env}
        return {
            **interpreter.environment(environ),
            **cpus.thread_variables(environ, self._cpus, slot.spec.most_replicas),
            **devices.environment(slot.device, self._gpus),
            _METRICS: self._metrics,
        }

    def _remove_files(self, slot: ReplicaSlot) -> None:
        """Remove the files of a replica that has exited; its flight recorder once many more have exited."""
        self._records.append(slot.record)
        _remove(slot.socket)
        if len(self._records) > _KEPT_RECORDS:
            _remove(self._records.popleft())


def _apply_status(status: Status, slot: ReplicaSlot) -> None:
    now = time.monotonic()
    if status.failed is not None:
        slot.on_failed(status.failed, now)
    elif status.state == "loading":
        slot.on_loading(now)
    elif status.state == "ready":
        slot.on_ready(now)
    elif status.heartbeat:
        slot.on_heartbeat()
    elif status.load is not None:
        slot.on_load(status.load)
    elif status.unhealthy is not None:
        slot.on_unhealthy(status.unhealthy)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
