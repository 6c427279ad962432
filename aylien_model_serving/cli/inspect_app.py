"""Inspects an app by `inspect_process`: the service's modules are imported in a process of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any, NamedTuple

import click
import msgspec

from aylien_model_serving.cli.errors import CommandFailed, InvalidUsage
from aylien_model_serving.cli.targets import AppTarget
from aylien_model_serving.core.escapes import escape_but_lines
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.manifests.workload import Workload

#: File descriptor of standard error, to which a service's own prints go, so that no output has them.
_STANDARD_ERROR = 2


class InspectedApp(NamedTuple):
    """An app's routes and pages, and the place of its jobs.

    Args:
        target: the app, as a server has to name it.
        routes: for each its path, methods, name, fields, and how it runs.
        pages: the paths of pages for people.
        jobs: where its jobs are kept; None where it has none.
        workload: what it asks of the machines that run it.
    """

    target: AppTarget
    routes: list[dict[str, Any]]
    pages: list[str]
    jobs: str | None
    workload: Workload


def inspect_app(target: AppTarget, *, with_traceback: bool) -> InspectedApp:
    """Return the routes and pages of a target.

    Args:
        target: the app; where it has no expression, one is resolved.
        with_traceback: whether the traceback is shown of an error that ends the import.

    Raises:
        InvalidUsage: there is no app.
        CommandFailed: a setting can't be used, or the service can't be imported.
    """
    answered = inspect_by(f"{__package__}.inspect_process", target, with_traceback=with_traceback)
    return InspectedApp(
        target._replace(expression=answered["expression"]),
        answered["routes"],
        answered["pages"],
        answered["jobs"],
        msgspec.convert(answered["workload"], Workload),
    )


def inspect_by(program: str, target: AppTarget, *, with_traceback: bool) -> dict[str, Any]:
    """Return what a program writes that imports a target.

    Args:
        program: its module, which writes one line of JSON as `inspect_process` does.
        target: the app.
        with_traceback: whether the traceback is shown of an error that ends the import.

    Raises:
        InvalidUsage: there is no app.
        CommandFailed: a setting can't be used, or the service can't be imported.
    """
    try:
        Settings.load()
    except ConfigurationError as unusable:
        raise CommandFailed(str(unusable)) from None
    line, status = _import_apart(program, target)
    if not line:
        raise CommandFailed(f"{target}: {_ended(status)} when it was imported")
    answered: dict[str, Any] = json.loads(line)
    if "error" not in answered:
        return answered
    error = answered["error"]
    if error["is_invalid_usage"]:
        raise InvalidUsage(error["line"])
    if with_traceback:
        click.echo(escape_but_lines(error["traceback"]), err=True, nl=False)
    raise CommandFailed(error["line"] + ("" if with_traceback else " (--traceback shows all of it)"))


def _import_apart(module: str, target: AppTarget) -> tuple[bytes, int]:
    reader, writer = os.pipe()
    program = [sys.executable, "-m", module, str(writer), *map(str, target)]
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
