"""The process that stands in this machine for a model's replicas on a Ray cluster.

    python -m aylien_model_serving.replicas.gateway.main <descriptor>

The supervisor starts it in a replica's place, and web workers send it their calls as they would to one. It is
a process of its own since Ray's client starts threads, can't be forked, and ends its process when the
cluster's head has been gone for a minute. What it can't reach it reports, and exits: the supervisor starts
another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import NoReturn

from aylien_model_serving import codecs
from aylien_model_serving.core import logging as logs
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.metrics.failures import FailureLog
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.metrics.runners import RunnerInstruments
from aylien_model_serving.process import interpreter, lifecycle, standard_output
from aylien_model_serving.replicas.cluster import ray_client
from aylien_model_serving.replicas.cluster.message_sizes import message_size, target_messages
from aylien_model_serving.replicas.gateway import head_watch
from aylien_model_serving.replicas.gateway.gateway_connection import GatewayConnection
from aylien_model_serving.replicas.gateway.gathering import Gathering
from aylien_model_serving.replicas.gateway.ray_cluster import RayCluster
from aylien_model_serving.replicas.gateway.relay import Relay
from aylien_model_serving.replicas.replica import owner_watch
from aylien_model_serving.replicas.replica.frame_socket import WantWrite
from aylien_model_serving.replicas.replica.server import ReplicaServer
from aylien_model_serving.replicas.replica.supervisor_channel import SupervisorChannel
from aylien_model_serving.rpc.cluster_messages import ReplicaCounts
from aylien_model_serving.rpc.control_messages import Command, Load, Status
from aylien_model_serving.rpc.spec import Spec

logger = logging.getLogger(__name__)

#: Seconds that Ray has to let this process join: while it waits, calls wait.
_JOIN_SECONDS = 60.0

#: Seconds between two looks at an application that is being deployed, and at one that takes calls.
_LOOK_SECONDS = 0.5
_WATCH_SECONDS = 5.0

#: Seconds that calls which are on their way have, once the head is gone: their replica may still answer.
_GRACE_SECONDS = 0.8

#: Seconds for which it waits for a head that is gone: less than those after which Ray ends this process.
_HEADLESS_SECONDS = 45.0

#: What clients read while the head is gone.
_NO_HEAD = "The cluster of the model is not reached at the moment"


def main(descriptor: int) -> None:
    """Pass calls on until the supervisor commands to drain."""
    interpreter.restore(os.environ)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ignore_signal)
    standard_output.show_lines_at_once()
    lifecycle.is_replica = True
    supervisor = SupervisorChannel(socket.socket(fileno=descriptor))
    settings = Settings.load()
    logs.configure(settings)
    spec, command = supervisor.first_command()
    supervisor.report(Status(state="loading"))
    watchdog = threading.Timer(
        _JOIN_SECONDS, _fail, (supervisor, f"Ray has not answered for {_JOIN_SECONDS:g} seconds")
    )
    watchdog.daemon = True
    watchdog.start()
    try:
        head = _joined(settings.ray_address)
        watchdog.cancel()
        _wait_for_application(spec.application)
    except ConfigurationError as error:
        _fail(supervisor, str(error))
    asyncio.run(_Gateway(spec, command, settings, supervisor, head).serve())
    os._exit(0)  # Ray's own way out may take seconds


def _ignore_signal(number: int, _: object) -> None:
    """Ignore it: the gateway exits on its supervisor's command."""


def _fail(supervisor: SupervisorChannel, why: str) -> NoReturn:
    """Report why no calls can be passed on, and exit: the supervisor starts another gateway."""
    supervisor.report(Status(failed=why))
    os._exit(1)


def _joined(address: str) -> str:
    """Join the cluster, and return the address of its head.

    Raises:
        ConfigurationError: it is not reached.
    """
    if address != "auto" and not head_watch.is_there(address):
        raise ConfigurationError(f"The head of the Ray cluster at {address} is not reached")
    return ray_client.join(address)


def _wait_for_application(name: str) -> None:
    """Return once an application takes calls, or may do so again.

    Raises:
        ConfigurationError: there is none, or it could not be deployed.
    """
    while True:
        found = ray_client.statuses().get(name)
        if found is None or found.state in ("NOT_STARTED", "DELETING"):
            raise ConfigurationError(f"{name} is not deployed on Ray: run `model-serving ray deploy TARGET`")
        if found.state == "DEPLOY_FAILED":
            raise ConfigurationError(f"{name} could not be deployed on Ray: {found.message}")
        if found.state != "DEPLOYING":
            return
        time.sleep(_LOOK_SECONDS)


class _Gateway:
    """The relay, and the server that takes calls for it.

    Args:
        spec: what the replicas host.
        command: at which paths calls are taken.
        settings: limits and switches.
        supervisor: gets the gateway's status.
        head: the host and port of the cluster's head.
    """

    def __init__(
        self, spec: Spec, command: Command, settings: Settings, supervisor: SupervisorChannel, head: str
    ) -> None:
        self._spec = spec
        self._command = command
        self._supervisor = supervisor
        self._head = head
        self._server = ReplicaServer(self._connect)
        instruments = Instruments(spec.service)
        self._instruments = RunnerInstruments(spec.name, instruments)
        if command.restarts:
            self._instruments.restarted()
        self._errors = ErrorResponses(
            settings.expose_errors,
            instruments.count_exception,
            record=FailureLog(spec.service, Path(command.socket).parents[1]).add,
            route=spec.name,
        )
        self._relay: Relay
        self._loop: asyncio.AbstractEventLoop
        self._drain_until: asyncio.Future[float]

    async def serve(self) -> None:
        """Pass calls on until the supervisor commands to drain."""
        self._loop = asyncio.get_running_loop()
        self._drain_until = self._loop.create_future()
        spec, options = self._spec, self._spec.ray
        assert options is not None
        self._relay = Relay(
            RayCluster(spec.application),
            Gathering(
                message_size(spec),
                options.target_ongoing,
                target_messages(spec, options),
                0.0 if spec.batching is None else spec.batching.max_wait,
            ),
            spec.streams,
            spec.max_queue * options.replicas[1],
            self._errors,
            self._on_counts,
        )
        self._server.watch(self._supervisor.sock, self._on_commands)
        if self._command.owner:
            owner_watch.begin(self._command.owner, self._server.watch, self._server.forget)
        self._server.start()
        self._server.listen(self._command.socket)
        self._supervisor.report(Status(state="ready"))
        head_watch.HeadWatch(self._head, self._on_head_gone, self._on_head_back).start()
        threading.Thread(target=self._watch_application, name="model-serving-ray", daemon=True).start()
        await self._drained(await self._drain_until)

    async def _drained(self, until: float) -> None:
        while len(self._relay) and time.monotonic() < until:
            await asyncio.sleep(_LOOK_SECONDS / 10)
        self._server.end()

    def _connect(self, sock: socket.socket, want_write: WantWrite) -> GatewayConnection:
        return GatewayConnection(sock, want_write, self._relay, self._status)

    def _on_counts(self, counts: ReplicaCounts) -> None:
        self._instruments.told(counts.waits, counts.runs)
        for reason in ("expired", "abandoned"):
            for _ in range(getattr(counts, reason)):
                self._instruments.dropped(reason)

    def _on_commands(self) -> None:
        for command in self._supervisor.receive():
            if command.heartbeat:
                self._supervisor.report(Status(heartbeat=True))
            if command.load:
                self._supervisor.report(Status(load=Load()))
            if command.drain is not None:
                self._server.drain()
                self._loop.call_soon_threadsafe(self._drain_until.set_result, command.drain)

    def _on_head_gone(self) -> None:
        logger.error("The head of the Ray cluster at %s is gone: calls of %s are answered with 503",
                     self._head, self._spec.name)  # fmt: skip
        self._loop.call_soon_threadsafe(self._refuse)

    def _refuse(self) -> None:
        self._relay.refuse(_NO_HEAD)
        self._loop.call_later(_GRACE_SECONDS, self._relay.give_up, _NO_HEAD)
        why = f"The head of the Ray cluster at {self._head} is gone"
        self._loop.call_later(_HEADLESS_SECONDS, _fail, self._supervisor, why)

    def _on_head_back(self) -> None:
        """Exit: a head without a memory is of another cluster, and Ray's client is for the one before."""
        logger.warning("The head of the Ray cluster at %s is back", self._head)
        self._loop.call_soon_threadsafe(partial(self._loop.call_later, _GRACE_SECONDS, os._exit, 1))

    def _watch_application(self) -> None:
        """Exit when the application has been deleted: Ray has calls wait for it without end."""
        while True:
            time.sleep(_WATCH_SECONDS)
            try:
                found = ray_client.statuses().get(self._spec.application)
            except Exception as error:  # Ray raises much where its controller starts again
                logger.debug("The application's status is not known", exc_info=error)
                continue
            if found is None or found.state == "DELETING":
                logger.error("%s has been deleted from Ray", self._spec.application)
                os._exit(1)

    def _status(self) -> Reply:
        status = {
            "waiting": self._relay.waiting,
            "running": len(self._relay) - self._relay.waiting,
            "application": self._spec.application,
        }
        return Reply(200, codecs.JSON.encode(status))


if __name__ == "__main__":
    main(int(sys.argv[1]))
