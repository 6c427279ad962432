"""`model-serving run`: prints what will be served, and becomes the server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from aylien_model_serving.cli.errors import CommandFailed, InvalidUsage
from aylien_model_serving.cli.inspect_app import InspectedApp, inspect_app
from aylien_model_serving.cli.options import target_argument, traceback_option
from aylien_model_serving.cli.targets import AppTarget, read
from aylien_model_serving.core.settings import Settings, is_local_deployment
from aylien_model_serving.core.variable_names import RUNPOD
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.servers import commands, platforms, ports, summary
from aylien_model_serving.servers.commands import ServerOptions

_DEFAULTS = ServerOptions()


@click.command("run")
@target_argument
@click.option(
    "--server", type=click.Choice(["gunicorn", "granian"]), default=_DEFAULTS.server, show_default=True
)
@click.option(
    "--host",
    envvar=["MODEL_SERVING_HOST", "FTAPI_HOST"],
    show_default=_DEFAULTS.host,
    help="Address to listen on; 0.0.0.0 is all of this machine's.",
)
@click.option(
    "--port",
    envvar=["MODEL_SERVING_PORT", "FTAPI_PORT"],
    type=click.IntRange(1, 65535),
    show_default=str(_DEFAULTS.port),
)
@click.option(
    "--workers",
    envvar="MODEL_SERVING_WORKERS",
    type=click.IntRange(min=1),
    default=_DEFAULTS.workers,
    show_default=True,
    help="Web processes.",
)
@click.option(
    "--worker-class",
    show_default=commands.DEFAULT_CLASS,
    help=f"{', '.join(commands.WORKER_CLASSES)}, or the path of a class. granian: WSGI unless asgi.",
)
@click.option("--reload", is_flag=True, help="Start the workers again when a file changes.")
@click.option(
    "--log-level", type=click.Choice(commands.LOG_LEVELS), default=_DEFAULTS.log_level, show_default=True
)
@click.option("--certfile", metavar="FILE", help="Certificate and its chain, as PEM: serve HTTPS.")
@click.option("--keyfile", metavar="FILE", help="The certificate's private key, as PEM.")
@click.option(
    "--grpc",
    "grpc_port",
    type=click.IntRange(1, 65535),
    envvar="MODEL_SERVING_GRPC_PORT",
    metavar="PORT",
    help="Serve routes of protobuf messages by gRPC too, at this port.",
)
@click.option("--runpod-dev", is_flag=True, help="Offer the local API of RunPod's SDK, to try jobs out.")
@click.option("--quiet", is_flag=True, help="Start at once: look at nothing, and show nothing.")
@traceback_option
def command(target: str, quiet: bool, with_traceback: bool, **chosen: Any) -> None:
    """Serve TARGET: module:app, module:factory() or a file, e.g. service.py.

    In a file or a module, a Service, a Flask app or a function run_app() is found by itself.
    """
    try:
        settings = Settings.load()
    except ConfigurationError as error:
        raise CommandFailed(str(error)) from None
    try:
        options = _options(settings, chosen)
        found = read(target, Path.cwd())
        commands.command_of(str(found), options, folder=found.folder)  # is the server installed?
    except ConfigurationError as error:
        raise InvalidUsage(str(error)) from None
    _check_ports(options)
    os.environ.update(commands.variables_of(options, os.environ))  # which also what is shown depends on
    if not quiet or not found.expression:
        inspected = inspect_app(found, with_traceback=with_traceback)
        found = inspected.target
        if not quiet:
            _print_summary(inspected, options)
    _become_server(found, options)


def _options(settings: Settings, chosen: dict[str, Any]) -> ServerOptions:
    """Return how to serve: what is not chosen is as the platform has it, if there is one.

    Raises:
        ConfigurationError: an option, or the platform's variable, can't be used.
    """
    is_dev = chosen.pop("runpod_dev")
    if is_dev or settings.platform == RUNPOD:
        chosen.update(server=RUNPOD, is_runpod_dev=is_dev or is_local_deployment())
    found = platforms.address(settings) or _DEFAULTS
    chosen["host"] = chosen["host"] or found.host
    chosen["port"] = chosen["port"] or found.port
    return ServerOptions(**chosen)


def _print_summary(inspected: InspectedApp, options: ServerOptions) -> None:
    has_keys = bool(Settings.load().api_keys)
    summary.show(str(inspected.target), inspected._asdict(), options, "--host 0.0.0.0", has_keys=has_keys)


def _check_ports(options: ServerOptions) -> None:
    if not options.listens:
        return
    try:
        ports.check(options.host, options.port)
        if options.grpc_port is not None:
            ports.check(options.host, options.grpc_port)
    except ports.UnknownHost as error:
        raise InvalidUsage(f"--host: {error}") from None
    except ConfigurationError as error:
        raise CommandFailed(str(error)) from None


def _become_server(target: AppTarget, options: ServerOptions) -> None:
    try:
        commands.run(str(target), options, folder=target.folder)
    except (ConfigurationError, OSError) as error:
        raise CommandFailed(str(error)) from None
