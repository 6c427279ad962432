"""The import path of an object of this program, for another process: module, name and folder."""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from types import FrameType, ModuleType
from typing import NamedTuple

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.process import lifecycle
from aylien_model_serving.rpc import spec


class ImportLocation(NamedTuple):
    """How to import an object.

    Args:
        target: "module:name".
        folder: from which the module is imported.
    """

    target: str
    folder: Path


def should_serve(frame: FrameType) -> bool:
    """Return whether this process is the program that serves, and not one that only imports its module.

    Args:
        frame: of the call of `serve`.
    """
    if lifecycle.is_replica or lifecycle.is_inspecting or multiprocessing.parent_process() is not None:
        return False
    if frame.f_globals.get("__name__") == "__main__":
        return True
    return frame.f_code.co_name != "<module>" and not _is_importing(frame)


def _is_importing(frame: FrameType) -> bool:
    caller: FrameType | None = frame
    while caller is not None and not caller.f_code.co_filename.startswith("<frozen importlib"):
        caller = caller.f_back
    return caller is not None


def find(wanted: object) -> ImportLocation:
    """Return the module and name of an object at the top of a module.

    Raises:
        ConfigurationError: there is none, or its program is no module that another process could import.
    """
    return _location(*_find(wanted))


def importable_name(wanted: object) -> str:
    """Return "module:name" of an object as a replica finds it.

    Raises:
        ConfigurationError: no module has it at its top.
    """
    name, _, variable = _find(wanted)
    return f"{spec.importable_name(name, wanted)}:{variable}"


def _find(wanted: object) -> tuple[str, ModuleType, str]:
    main = sys.modules["__main__"]
    others = [(name, module) for name, module in list(sys.modules.items()) if module is not main]
    for name, module in (*others, ("__main__", main)):  # which multiprocessing gives a second name
        for variable, value in list(getattr(module, "__dict__", {}).items()):
            if value is wanted and variable.isidentifier():
                return name, module, variable
    kind = type(wanted).__name__
    raise ConfigurationError(
        f"other processes find the {kind} by import: let it stand at the top of a module, as app = {kind}()"
    )


def _location(name: str, module: ModuleType, variable: str) -> ImportLocation:
    file = Path(getattr(module, "__file__", None) or "")
    if not file.is_file():
        raise ConfigurationError("this program is not a file: save it as one, as in service.py")
    file = file.resolve()
    if name == "__main__":
        name = getattr(module.__spec__, "name", "__main__")
    if name == "__main__":
        name = file.stem
        if file.suffix != ".py" or "." in name or name == "__main__":
            raise ConfigurationError(f"{file.name} can't be imported: give it a name like service.py")
    depth = name.count(".") + (file.name == "__init__.py")
    return ImportLocation(f"{name}:{variable}", file.parents[depth])
