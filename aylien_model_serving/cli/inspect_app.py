"""Inspects an app by `inspect_process`: the service's modules are imported in a process of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any, NamedTuple

import click

from aylien_model_serving.cli.errors import CommandFailed, InvalidUsage
from aylien_model_serving.cli.targets import AppTarget
from aylien_model_serving.core.escapes import escape_but_lines
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError

#: File descriptor of standard error, to which a service's own prints go, so that no output has them.
_STANDARD_ERROR = 2


class InspectedApp(NamedTuple):
    """An app's routes and pages, and the place of its jobs.

    Args:
        target: the app, as a server has to name it.
        routes: for each its path, methods, name, fields, and how it runs.
        pages: the paths of pages for people.
        jobs: where its jobs are kept; None where it has none.
    """

    target: AppTarget
    routes: list[dict[str, Any]]
    pages: list[str]
    jobs: str | None


def inspect_app(target: AppTarget, *, with_traceback: bool) -> InspectedApp:
    """Return the routes and pages of a target.

    Args:
        target: the app; where it has no expression, one is resolved.
        with_traceback: whether the traceback is shown of an error that ends the import.

    Raises:
        InvalidUsage: there is no app.
        CommandFailed: a setting can't be used, or the service can't be imported.
    """
    try:
        Settings.load()
    except ConfigurationError as unusable:
        raise CommandFailed(str(unusable)) from None
    line, status = _import_apart(target)
    if not line:
        raise CommandFailed(f"{target}: {_ended(status)} when it was imported")
    answered = json.loads(line)
    if "error" not in answered:
        return InspectedApp(
            target._replace(expression=answered["expression"]),
            answered["routes"],
            answered["pages"],
            answered["jobs"],
        )
    error = answered["error"]
    if error["is_invalid_usage"]:
        raise InvalidUsage(error["line"])
    if with_traceback:
        click.echo(escape_but_lines(error["traceback"]), err=True, nl=False)
    raise CommandFailed(error["line"] + ("" if with_traceback else " (--traceback shows all of it)"))


def _import_apart(target: AppTarget) -> tuple[bytes, int]:
    reader, writer = os.pipe()
    program = [sys.executable, "-m", f"{__package__}.inspect_process", str(writer), *map(str, target)]
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
