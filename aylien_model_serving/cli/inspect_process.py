"""Imports a service in a process of its own, and tells as JSON what it serves, or why it does not.

Run as a module by `looking`. No handler is built, so that no model is loaded which the service loads
by itself.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from aylien_model_serving.cli.describe import described
from aylien_model_serving.cli.errors import Misused, pip_install
from aylien_model_serving.cli.resolve_app import Found, find
from aylien_model_serving.cli.targets import Target, modules_near
from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.process import lifecycle


def main(pipe: int, target: Target) -> None:
    """Write what is found into a pipe, as one line, and end the process whatever else is running in it.

    Args:
        pipe: file descriptor.
        target: the app.
    """
    lifecycle.is_inspecting = True
    sys.path.insert(0, str(target.folder))
    try:
        told: Mapping[str, Any] = look(target)
    except KeyboardInterrupt:
        os._exit(130)
    except BaseException as error:  # a service may do anything at its import, SystemExit included
        told = {"error": fault_of(error, target)}
    with open(pipe, "w") as out:
        out.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    os._exit(0)


def look(target: Target) -> dict[str, Any]:
    """Return what a target serves.

    Raises:
        Misused: there is no app.
    """
    module = _imported(target)
    found: Found = find(module, target.expression)
    return {"expression": found.expression, **described(found.app)}


def _imported(target: Target) -> ModuleType:
    try:
        return import_module(target.module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{target.module}.".startswith(f"{error.name}."):
            raise
        raise Misused(_no_module(target, error.name)) from error


def _no_module(target: Target, name: str) -> str:
    hint = suggestion(name, modules_near(target)) if "." not in name else ""
    return f"There is no module {name!r} in {target.folder}{hint}"


def fault_of(error: BaseException, target: Target) -> dict[str, Any]:
    """Return an error as one line that says where it is, and what would mend it.

    Args:
        error: what ended the import.
        target: what was imported.
    """
    if isinstance(error, Misused):
        return {"line": error.message, "is_misuse": True, "traceback": ""}
    place = _place_of(error, target)
    shown = "".join(traceback.format_exception(error))
    return {"line": f"{place}{_told(error)}", "is_misuse": False, "traceback": shown}


def _place_of(error: BaseException, target: Target) -> str:
    """Return the file and the line of the service's own code that an error came through last."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_near(error.filename)}, line {error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename, target)]
    return f"{_near(own[-1].filename)}, line {own[-1].lineno}: " if own else f"{target}: "


def _is_own(file: str, target: Target) -> bool:
    path = Path(file)
    return path.is_relative_to(target.folder) and not {"site-packages", "dist-packages"} & set(path.parts)


def _near(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _told(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the module ends the process when it is imported (SystemExit: {error.code})"
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
    cure = "" if "." in missing else pip_install(missing)
    return f"{told}; {cure} brings it" if cure else told


if __name__ == "__main__":
    main(int(sys.argv[1]), Target(Path(sys.argv[2]), *sys.argv[3:5]))
