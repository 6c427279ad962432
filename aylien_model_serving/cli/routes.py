"""`model-serving routes`: the routes of an app, without serving it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from aylien_model_serving.cli.inspect_app import inspect_app
from aylien_model_serving.cli.options import target_argument, traceback_option
from aylien_model_serving.cli.targets import read
from aylien_model_serving.core.tables import route_lines


@click.command("routes")
@target_argument
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, for programs.")
@traceback_option
def command(target: str, as_json: bool, with_traceback: bool) -> None:
    """Show the routes of TARGET: module:app, module:factory() or a file.

    The service's modules are imported, as a server would; handlers are not built.
    """
    inspected = inspect_app(read(target, Path.cwd()), with_traceback=with_traceback)
    if as_json:
        click.echo(json.dumps({"target": str(inspected.target), "routes": inspected.routes}, indent=2))
    elif inspected.routes:
        click.echo("\n".join(route_lines(inspected.routes)))
    else:
        click.echo(
            f"{inspected.target} has no routes of this library, nor is it a Flask app with any", err=True
        )
