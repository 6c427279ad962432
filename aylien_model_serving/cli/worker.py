"""`model-serving worker`: becomes the process that runs a service's jobs and answers no routes."""

from __future__ import annotations

from pathlib import Path

import click

from aylien_model_serving.cli.errors import CommandFailed, InvalidUsage
from aylien_model_serving.cli.inspect_app import InspectedApp, inspect_app
from aylien_model_serving.cli.options import target_argument, traceback_option
from aylien_model_serving.cli.targets import read
from aylien_model_serving.core.tables import route_lines
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.servers import ports, summary, worker_command
from aylien_model_serving.servers.worker_command import WorkerOptions

_DEFAULTS = WorkerOptions()

#: How the description of a route with jobs begins; see `web.description`.
_AS_JOBS = "as jobs"


@click.command("worker")
@target_argument
@click.option(
    "--health-host",
    default=_DEFAULTS.health_host,
    show_default=True,
    help="Address of /livez, /readyz and /metrics; 0.0.0.0 is all of this machine's.",
)
@click.option(
    "--health-port", type=click.IntRange(1, 65535), default=_DEFAULTS.health_port, show_default=True
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=_DEFAULTS.grace,
    show_default=True,
    metavar="SECONDS",
    help="After SIGTERM, for jobs that run; what is left goes back into the queue.",
)
@click.option("--quiet", is_flag=True, help="Show nothing before the start.")
@traceback_option
def command(target: str, quiet: bool, with_traceback: bool, **chosen: object) -> None:
    """Run the jobs of TARGET, with their replicas and webhooks, beside a web tier or without one.

    TARGET is what `model-serving run` takes. Web processes that keep jobs and run none are started with
    MODEL_SERVING_ROLE=web.
    """
    options = WorkerOptions(**chosen)  # type: ignore[arg-type]  # click has checked each of them
    try:
        found = read(target, Path.cwd())
        ports.check(options.health_host, options.health_port)
    except ports.UnknownHost as error:
        raise InvalidUsage(f"--health-host: {error}") from None
    except ConfigurationError as error:
        raise CommandFailed(str(error)) from None
    inspected = inspect_app(found, with_traceback=with_traceback)
    if inspected.routes and inspected.jobs is None:
        raise InvalidUsage(f"{inspected.target} has no route with the key 'job': there is nothing to work on")
    if not quiet:
        click.echo(_summary(inspected, options))
    worker_command.run(*inspected.target, options)


def _summary(inspected: InspectedApp, options: WorkerOptions) -> str:
    jobs = [route for route in inspected.routes if route["runs"].startswith(_AS_JOBS)]
    return "\n".join(
        [
            f"{summary.NAME} {summary.version()} works on the jobs of {inspected.target}",
            "",
            *(f"  {line}" for line in route_lines(jobs)),
            "",
            f"It says how it is at {options.url}/readyz",
            *([] if inspected.jobs is None else [f"Its jobs are kept in {inspected.jobs}"]),
        ]
    )
