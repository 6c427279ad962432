"""`model-serving run`: says what will be served, and becomes the server."""

from __future__ import annotations

from pathlib import Path

import click

from aylien_model_serving.cli.errors import Failed, Misused
from aylien_model_serving.cli.inspect_app import Looked, look_at
from aylien_model_serving.cli.library import version
from aylien_model_serving.cli.options import target_argument, traceback_option
from aylien_model_serving.cli.tables import columns, route_lines
from aylien_model_serving.cli.targets import Target, read
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.servers import commands, ports
from aylien_model_serving.servers.commands import ServerOptions

_DEFAULTS = ServerOptions()

#: Pages for people, and what they are for.
_PAGES = {
    "/docs": "try the routes out",
    "/__dashboard": "see what the service does",
    "/openapi.json": "the routes, for programs",
}

#: Addresses that mean all of a machine's, of which its user calls the service by this one.
_EVERYWHERE = {"0.0.0.0": "localhost", "::": "localhost", "": "localhost"}


@click.command("run")
@target_argument
@click.option(
    "--server", type=click.Choice(["gunicorn", "granian"]), default=_DEFAULTS.server, show_default=True
)
@click.option(
    "--host",
    envvar="MODEL_SERVING_HOST",
    default=_DEFAULTS.host,
    show_default=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    envvar="MODEL_SERVING_PORT",
    type=click.IntRange(1, 65535),
    default=_DEFAULTS.port,
    show_default=True,
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
    default=_DEFAULTS.worker_class,
    show_default=True,
    help=f"{', '.join(commands.WORKER_CLASSES)}, or the path of a class; asgi is granian's too.",
)
@click.option("--reload", is_flag=True, help="Start the workers again when a file changes.")
@click.option(
    "--log-level", type=click.Choice(commands.LOG_LEVELS), default=_DEFAULTS.log_level, show_default=True
)
@click.option("--quiet", is_flag=True, help="Start at once: look at nothing, and show nothing.")
@traceback_option
def command(target: str, quiet: bool, with_traceback: bool, **chosen: object) -> None:
    """Serve TARGET: module:app, module:factory() or a file, e.g. service.py.

    In a file or a module, a Service, a Flask app or a function run_app() is found by itself.
    """
    try:
        options = ServerOptions(**chosen)  # type: ignore[arg-type]  # click has checked each of them
        found = read(target, Path.cwd())
        commands.command_of(str(found), options, folder=found.folder)  # is the server installed?
    except ConfigurationError as error:
        raise Misused(str(error)) from None
    _check_port(options)
    if not quiet or not found.expression:
        looked = look_at(found, with_traceback=with_traceback)
        found = looked.target
        if not quiet:
            click.echo("\n".join(_summary(looked, options)))
    _become_server(found, options)


def _check_port(options: ServerOptions) -> None:
    try:
        ports.check(options.host, options.port)
    except ports.UnknownHost as error:
        raise Misused(f"--host: {error}") from None
    except ConfigurationError as error:
        raise Failed(str(error)) from None


def _become_server(target: Target, options: ServerOptions) -> None:
    try:
        commands.run(str(target), options, folder=target.folder)
    except (ConfigurationError, OSError) as error:
        raise Failed(str(error)) from None


def _summary(looked: Looked, options: ServerOptions) -> list[str]:
    """Return what is served, by whom and where, line by line."""
    kind = f"{options.worker_class} " if options.server == "gunicorn" else ""
    count = f"{options.workers} {kind}worker{'s' if options.workers > 1 else ''}"
    host = _EVERYWHERE.get(options.host, options.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{options.port}"
    pages = [(f"{url}{page}", _PAGES[page]) for page in looked.pages] or [(url, "")]
    reloading = ", which start again when a file changes" if options.reload else ""
    return [
        f"model-serving {version()} serves {looked.target} by {options.server} with {count}{reloading}",
        "",
        *(f"  {line}" for line in route_lines(looked.routes)),
        *([""] if looked.routes else []),
        *(f"  {line}" for line in columns(pages)),
        "",
    ]
