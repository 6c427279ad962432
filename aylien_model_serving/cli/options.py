"""Arguments and options that several commands share."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def _files(_: click.Context, __: click.Parameter, word: str) -> list[CompletionItem]:
    return [CompletionItem(word, type="file")]


target_argument = click.argument("target", shell_complete=_files)

traceback_option = click.option(
    "--traceback",
    "--debug",
    "with_traceback",
    is_flag=True,
    help="Show all of an error that the service ends with.",
)
