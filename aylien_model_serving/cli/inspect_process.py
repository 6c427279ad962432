"""Imports a service in a process of its own, and writes its description, or its error, as JSON.

Run as a module by `inspect_app`. No handler is built, so that no model is loaded which the service loads
by itself.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from aylien_model_serving.cli.errors import InvalidUsage, pip_install
from aylien_model_serving.cli.resolve_app import ResolvedApp, resolve_app
from aylien_model_serving.cli.targets import AppTarget, modules_near
from aylien_model_serving.core.start_errors import near
from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.process import lifecycle
from aylien_model_serving.service import Service
from aylien_model_serving.web.description import describe_app
from aylien_model_serving.web.workload import workload_of


def main(pipe: int, target: AppTarget, inspect: Callable[[AppTarget], Mapping[str, Any]]) -> None:
    """Write the result into a pipe, as one line, and end the process whatever else is running in it.

    Args:
        pipe: its file descriptor.
        target: the app.
        inspect: returns the result, for JSON.
    """
    lifecycle.is_inspecting = True
    sys.path.insert(0, str(target.folder))
    try:
        result: Mapping[str, Any] = inspect(target)
    except KeyboardInterrupt:
        os._exit(130)
    except BaseException as error:  # a service may do anything at its import, SystemExit included
        result = {"error": describe_error(error, target)}
    with open(pipe, "w") as out:
        out.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit(0)


def inspect_target(target: AppTarget) -> dict[str, Any]:
    """Return the expression of a target, its workload, and what `describe_app` says of it.

    Raises:
        InvalidUsage: there is no app.
    """
    app, expression = made_app(target)
    return {"expression": expression, "workload": msgspec.to_builtins(workload_of(app)), **describe_app(app)}


def made_app(target: AppTarget) -> tuple[Any, str]:
    """Return the app of a target, whose handlers are not built, and its expression.

    Raises:
        InvalidUsage: there is no app.
    """
    module = _imported(target)
    found: ResolvedApp = resolve_app(module, target.expression)
    return found.app.wsgi if isinstance(found.app, Service) else found.app, found.expression


def _imported(target: AppTarget) -> ModuleType:
    try:
        return import_module(target.module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{target.module}.".startswith(f"{error.name}."):
            raise
        raise InvalidUsage(_no_module(target, error.name)) from error


def _no_module(target: AppTarget, name: str) -> str:
    hint = suggestion(name, modules_near(target)) if "." not in name else ""
    return f"There is no module {name!r} in {target.folder}{hint}"


def describe_error(error: BaseException, target: AppTarget) -> dict[str, Any]:
    """Return an error as one line with its location and its remedy.

    Args:
        error: what ended the import.
        target: what was imported.
    """
    if isinstance(error, InvalidUsage):
        return {"line": error.message, "is_invalid_usage": True, "traceback": ""}
    location = _location_of(error, target)
    shown = "".join(traceback.format_exception(error))
    return {"line": f"{location}{_message(error)}", "is_invalid_usage": False, "traceback": shown}


def _location_of(error: BaseException, target: AppTarget) -> str:
    """Return the file and the line of the service's own code that an error came through last."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{near(error.filename)}, line {error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename, target)]
    return f"{near(own[-1].filename)}, line {own[-1].lineno}: " if own else f"{target}: "


def _is_own(file: str, target: AppTarget) -> bool:
    path = Path(file)
    return path.is_relative_to(target.folder) and not {"site-packages", "dist-packages"} & set(path.parts)


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the module ends the process when it is imported (SystemExit: {error.code})"
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    summary = f"{type(error).__name__}: {text}" if text else type(error).__name__
    missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
    cure = "" if "." in missing else pip_install(missing)
    return f"{summary}; {cure} brings it" if cure else summary


if __name__ == "__main__":
    main(int(sys.argv[1]), AppTarget(Path(sys.argv[2]), *sys.argv[3:5]), inspect_target)
