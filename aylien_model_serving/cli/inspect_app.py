"""Asks `look` what a service serves: its modules are imported in a process of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any, NamedTuple

import click

from aylien_model_serving.cli.errors import Failed, Misused
from aylien_model_serving.cli.targets import Target

#: File descriptor of standard error, where a service's own prints go, so that they mix with no output.
_STANDARD_ERROR = 2


class Looked(NamedTuple):
    """What a service serves.

    Args:
        target: the app, as a server has to name it.
        routes: for each its path, methods, name, fields, and how it runs.
        pages: the paths of pages for people.
    """

    target: Target
    routes: list[dict[str, Any]]
    pages: list[str]


def look_at(target: Target, *, with_traceback: bool) -> Looked:
    """Return what a target serves.

    Args:
        target: the app; where it has no expression, one is looked for.
        with_traceback: whether all is shown of an error that the service ends with.

    Raises:
        Misused: there is no app.
        Failed: the service can't be imported.
    """
    answer, status = _ask(target)
    if not answer:
        raise Failed(f"{target}: {_ended(status)} when it was imported")
    told = json.loads(answer)
    if "error" not in told:
        return Looked(target._replace(expression=told["expression"]), told["routes"], told["pages"])
    fault = told["error"]
    if fault["is_misuse"]:
        raise Misused(fault["line"])
    if with_traceback:
        click.echo(fault["traceback"], err=True, nl=False)
    raise Failed(fault["line"] + ("" if with_traceback else " (--traceback shows all of it)"))


def _ask(target: Target) -> tuple[bytes, int]:
    reader, writer = os.pipe()
    program = [sys.executable, "-m", f"{__package__}.look", str(writer), *map(str, target)]
    with open(reader, "rb") as answer:
        try:
            child = subprocess.Popen(program, pass_fds=[writer], stdout=_STANDARD_ERROR)
        finally:
            os.close(writer)
        with child:
            # Not to the end of the file: what the service has forked may keep the pipe open.
            return answer.readline(), child.wait()


def _ended(status: int) -> str:
    if status < 0:
        return f"the process was ended by {signal.Signals(-status).name}"
    return f"the process ended with status {status}"
