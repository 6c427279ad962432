"""The command line `model-serving`: a module for each command, imported when the command is invoked.

An error is one line on standard error, and exit status 2 for invalid usage or 1.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import Any

import click

from aylien_model_serving.cli.errors import InvalidUsage
from aylien_model_serving.core.escapes import escape
from aylien_model_serving.core.suggest import suggestion

#: What each command does, known without importing its module.
COMMANDS = {
    "run": "Serve an app with a production server.",
    "worker": "Run the jobs of an app, without a web server.",
    "routes": "Show the routes of an app.",
    "call": "Call a route of a running service.",
    "jobs": "List the jobs of a running service, wait for one, or cancel it.",
    "reload": "Load a model of a running service again.",
    "deploy": "Write the files by which Kubernetes or Compose runs a service.",
    "ray": "Deploy the models of an app on a Ray cluster, show how they are, or delete them.",
    "hash-key": "Print the hash of an API key, for a service's list of keys.",
    "new": "Make a small project of one's own.",
    "completion": "Print a shell's completion of these commands.",
}

_INTERRUPTED = 130  # the exit status that shells report for a program that SIGINT ended


class Commands(click.Group):
    """Loads a command's module by the command's name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise InvalidUsage(f"There is no command {args[0]!r}{suggestion(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *given: Any, standalone_mode: bool = True, **named: Any) -> Any:
        """Run a command; in standalone mode, end the process as a shell expects it."""
        run = partial(super().main, *given, **named)
        if not standalone_mode:
            return run(standalone_mode=False)
        try:
            status: Any = run(standalone_mode=False)
        except click.ClickException as error:
            click.echo(_message(error), err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(_INTERRUPTED)
        sys.exit(status if isinstance(status, int) else 0)


def _message(error: click.ClickException) -> str:
    """Return an error as one line, with a pointer to the help where arguments were wrong."""
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "model-serving"
    message = escape(" ".join(error.format_message().split()))
    is_complete = isinstance(error, InvalidUsage) or not isinstance(error, click.UsageError)
    hint = "" if is_complete else f" (see {path} --help)"
    return f"{path}: {message}{hint}"


def _show_version(ctx: click.Context, _: click.Parameter, is_requested: bool) -> None:
    if is_requested and not ctx.resilient_parsing:
        click.echo(f"model-serving {import_module('aylien_model_serving.servers.summary').version()}")
        ctx.exit()


@click.group(
    cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Put any Python callable that holds a model behind HTTP."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
