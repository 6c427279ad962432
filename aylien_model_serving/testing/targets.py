"""Targets: "module:app", "module:factory()", or the object itself."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from gunicorn import util
from gunicorn.errors import AppImportError

from aylien_model_serving.errors import ConfigurationError

_FORMS = 'name it as "module:app" or "module:factory()"'


def name_of(target: Any) -> str:
    """Return the name by which another process imports a target.

    Raises:
        ConfigurationError: it is no target, or no module has it at its top.
    """
    if isinstance(target, str):
        if ":" not in target:
            raise ConfigurationError(f"{target!r} is no target: {_FORMS}")
        return target
    if not callable(target):
        raise ConfigurationError(f"an object of type {type(target).__name__} is no target: {_FORMS}")
    call = "()" if inspect.isroutine(target) else ""
    for module, name in _locations(target):
        return f"{module}:{name}{call}"
    raise ConfigurationError(
        f"{target!r} stands nowhere at the top of a module that another process could import: {_FORMS}"
    )


def _locations(target: Any) -> list[tuple[str, str]]:
    """Return the modules and names that hold an object, the module that defines it first."""
    home = getattr(target, "__module__", None)
    modules = sorted(sys.modules.items(), key=lambda item: item[0] != home)
    return [
        (module, name)
        for module, content in modules
        if module != "__main__" and content is not None
        for name, value in list(getattr(content, "__dict__", {}).items())
        if value is target and name.isidentifier()
    ]


def load(target: Any) -> Any:
    """Return the app, or its factory, that a target names; an object is returned as it is.

    Raises:
        ConfigurationError: there is no such module or object.
    """
    if not isinstance(target, str):
        return target
    folder = str(Path.cwd())
    if folder not in sys.path:  # as servers do
        sys.path.insert(0, folder)
    try:
        return util.import_app(name_of(target))
    except (AppImportError, ImportError) as error:
        raise ConfigurationError(f"target {target!r}: {error}") from error
