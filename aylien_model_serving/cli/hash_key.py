"""`model-serving hash-key`: the entry of an API key in MODEL_SERVING_API_KEYS, without the key itself."""

from __future__ import annotations

import secrets
import sys

import click

from aylien_model_serving.cli.errors import InvalidUsage
from aylien_model_serving.core import api_keys

#: Random bytes of a key.
_RANDOM_BYTES = 32

#: Characters that are read of a key.
_LONGEST = 4096


@click.command("hash-key")
@click.option("--name", default="", help="Who the key belongs to; their jobs and log lines bear the name.")
@click.option("--admin", is_flag=True, help="Whether its owner sees the jobs of all.")
@click.option("--random", is_flag=True, help="Make a key, which is shown once, on standard error.")
@click.argument("key", nargs=-1, metavar="")
def command(name: str, admin: bool, random: bool, key: tuple[str, ...]) -> None:
    """Print the entry of an API key for MODEL_SERVING_API_KEYS.

    The key is read from standard input, or asked for in a terminal.
    """
    if key:
        raise InvalidUsage(
            "A key is no argument, which everybody on this machine can read: pipe it in, or use --random"
        )
    given = secrets.token_urlsafe(_RANDOM_BYTES) if random else _read()
    try:
        entry = api_keys.entry_of(given, name, is_admin=admin)
    except ValueError as error:
        raise InvalidUsage(f"{str(error)[0].upper()}{str(error)[1:]}") from None
    if random:
        click.echo(f"The key, which is shown this once: {given}", err=True)
    click.echo(entry)


def _read() -> str:
    if sys.stdin.isatty():
        prompted: str = click.prompt("Key", hide_input=True, confirmation_prompt=True, err=True)
        return prompted
    line = sys.stdin.readline(_LONGEST + 1)
    if len(line) > _LONGEST:
        raise InvalidUsage(f"A key has at most {_LONGEST:,} characters")
    return line.rstrip("\r\n")
