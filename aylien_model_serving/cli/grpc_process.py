"""The process that serves an app by gRPC; a service's supervisor starts it in a replica's place.

    python -m aylien_model_serving.cli.grpc_process <descriptor>

It makes the app as a web worker does, and calls the same replicas. What no replica hosts, it hosts itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from aylien_model_serving.background import pool
from aylien_model_serving.cli.errors import InvalidUsage
from aylien_model_serving.cli.resolve_app import resolve_app
from aylien_model_serving.core import logging as logs
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.grpc.server import GRPCServer
from aylien_model_serving.process import interpreter, lifecycle, owner, standard_output
from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
from aylien_model_serving.replicas.replica import owner_watch
from aylien_model_serving.replicas.replica.imported_code import ImportedCode
from aylien_model_serving.replicas.replica.main import adopt_environment
from aylien_model_serving.replicas.replica.supervisor_channel import SupervisorChannel
from aylien_model_serving.rpc import code_files
from aylien_model_serving.rpc.control_messages import Command, Load, Status
from aylien_model_serving.rpc.spec import Spec
from aylien_model_serving.service import Service
from aylien_model_serving.web import grpc_hosting
from aylien_model_serving.web.app import ServingFlask

logger = logging.getLogger("aylien_model_serving.grpc")

#: Seconds before the end of a drain at which calls that still run are ended.
_END_SECONDS = 0.2


def main(descriptor: int) -> None:
    """Serve what the supervisor commands, until it commands to drain."""
    interpreter.restore(os.environ)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ignore_signal)
    standard_output.show_lines_at_once()
    supervisor = SupervisorChannel(socket.socket(fileno=descriptor))
    spec, command = supervisor.first_command()
    os.environ.update(spec.secrets)
    lifecycle.protocol, lifecycle.generation = spec.protocol, spec.generation
    owner.adopt(command.owner)
    SupervisorClient.join(Path(command.socket).parents[1], command.owner)
    supervisor.report(Status(state="loading"))
    code = ImportedCode(lambda stamps: supervisor.report(Status(code=stamps)))
    if spec.reports_code:
        code.watch()
    try:
        logs.configure(Settings.load())
        adopt_environment(spec)
        app = _built(spec.target)
        if spec.reports_code:
            code.report()  # before it is ready, and a change could matter
        asyncio.run(_Serving(app, supervisor, command).serve())
    except BaseException as error:
        _fail(supervisor, spec, error)
    pool.finish()


def _ignore_signal(number: int, _: object) -> None:
    """Ignore it: this process exits on its supervisor's command."""


def _built(target: str) -> ServingFlask:
    """Return the app that a target names."""
    module, _, expression = target.partition(":")
    found: Any = resolve_app(import_module(module), expression).app
    if isinstance(found, Service):
        found = found.wsgi
    if not isinstance(found, ServingFlask):
        raise ConfigurationError(f"{target} is a {type(found).__name__}, and no app of this library's")
    lifecycle.loaded()
    return found


class _Serving:
    """The server, and what the supervisor asks of it.

    Args:
        app: the service.
        supervisor: commands this process.
        command: the first one.
    """

    def __init__(self, app: ServingFlask, supervisor: SupervisorChannel, command: Command) -> None:
        self._app = app
        self._supervisor = supervisor
        self._command = command
        self._until: asyncio.Future[float]

    async def serve(self) -> None:
        """Answer RPCs until the supervisor commands to drain."""
        loop = asyncio.get_running_loop()
        self._until = loop.create_future()
        lifecycle.add_drain_check(self._until.done)
        server = GRPCServer(self._app, grpc_hosting.definition_of(self._app))
        port = await server.start()
        loop.add_reader(self._supervisor.sock, self._on_commands)
        owner_watch.begin(self._command.owner, loop.add_reader, loop.remove_reader)
        self._supervisor.report(Status(state="ready"))
        logger.info("gRPC is served at port %d", port)
        until = await self._until
        await server.stop(max(0.0, until - time.monotonic() - _END_SECONDS))

    def _on_commands(self) -> None:
        for command in self._supervisor.receive():
            if command.heartbeat:
                self._supervisor.report(Status(heartbeat=True))
            if command.load:
                self._supervisor.report(Status(load=Load()))
            if command.drain is not None and not self._until.done():
                self._until.set_result(command.drain)


def _fail(supervisor: SupervisorChannel, spec: Spec, error: BaseException) -> NoReturn:
    """Report why nothing can be served, and exit: the supervisor starts another process."""
    files = {*code_files.imported(), *code_files.named_by(error)} if spec.reports_code else ()
    if isinstance(error, (ConfigurationError, InvalidUsage)):
        logger.error("gRPC can't be served: %s", error)
    else:
        logger.error("gRPC can't be served", exc_info=error)
    with contextlib.suppress(OSError):
        supervisor.report(Status(failed=f"{type(error).__name__}: {error}", code=code_files.stamps_of(files)))
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
