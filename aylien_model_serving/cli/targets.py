"""Parses TARGET: the folder to import from, the module, and the expression of the app.

Reads the names of files, and imports nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from aylien_model_serving.cli.errors import InvalidUsage
from aylien_model_serving.core.suggest import suggestion

_FORMS = "a target is module:app, module:factory() or a file, e.g. service.py"

#: Version 2 of this library named an app by a dotted path that ends in a call.
_DOTTED_CALL = re.compile(r"(?P<module>[\w.]+)\.(?P<expression>\w+\(.*\))")


class AppTarget(NamedTuple):
    """The name of an app.

    Args:
        folder: from which its modules are imported.
        module: the module's full name.
        expression: a name in it, or the call of one; empty where the app is still to be resolved.
    """

    folder: Path
    module: str
    expression: str = ""

    def __str__(self) -> str:
        return f"{self.module}:{self.expression}" if self.expression else self.module


def read(text: str, folder: Path) -> AppTarget:
    """Return the target that an argument names.

    Args:
        text: the argument.
        folder: to which files and modules are relative.

    Raises:
        InvalidUsage: there is no such file or module, or it is neither.
    """
    dotted = _DOTTED_CALL.fullmatch(text)
    place, colon, expression = text.partition(":") if dotted is None else (dotted[1], ":", dotted[2])
    if place.endswith(".py") or "/" in place:
        found = _file(folder / place, place)
    elif re.fullmatch(r"\w+(\.\w+)*", place):
        found = AppTarget(folder, place)
        _refuse_absent_module(found)
    else:
        raise InvalidUsage(f"{text!r} is no target: {_FORMS}")
    if colon:
        _refuse_other_expressions(text, expression)
    return found._replace(expression=expression)


def _file(path: Path, shown: str) -> AppTarget:
    """Return the module of a file, which in a package is imported from the folder above the package."""
    if not path.is_file():
        near = [file.name for file in _python_files(path.parent) if file.stem.isidentifier()]
        raise InvalidUsage(f"There is no file {shown!r}{suggestion(path.name, near)}")
    path = path.resolve()
    folder, names = path.parent, [path.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    for name in names:
        if not name.isidentifier():
            raise InvalidUsage(f"{shown!r} can't be imported: {name!r} is no name of a module; rename it")
    return AppTarget(folder, ".".join(names))


def _refuse_absent_module(target: AppTarget) -> None:
    """Refuse a name that is near to a module of the folder; one from elsewhere shows when it is imported."""
    first, *rest = target.module.split(".")
    place = target.folder / first
    if not _is_module(place):
        return
    for name in rest:
        if not _is_module(place / name):
            known = _modules(place)
            raise InvalidUsage(f"{place.name!r} has no module {name!r}{suggestion(name, known)}")
        place = place / name


def _is_module(place: Path) -> bool:
    return place.is_dir() or place.with_name(f"{place.name}.py").is_file()


def _modules(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    packages = [path.parent.name for path in sorted(folder.glob("*/__init__.py"))]
    return [file.stem for file in _python_files(folder)] + packages


def modules_near(target: AppTarget) -> list[str]:
    """Return the names of modules in the target's folder."""
    return _modules(target.folder)


def _python_files(folder: Path) -> Iterable[Path]:
    return sorted(file for file in folder.glob("*.py") if file.name != "__init__.py")


def _refuse_other_expressions(text: str, expression: str) -> None:
    """A name, or the call of one with plain values, is all that servers understand."""
    try:
        parsed = ast.parse(expression, mode="eval").body
        if isinstance(parsed, ast.Call) and isinstance(parsed.func, ast.Name):
            for argument in (*parsed.args, *(keyword.value for keyword in parsed.keywords)):
                ast.literal_eval(argument)
            return
    except (SyntaxError, ValueError):
        parsed = None
    if not isinstance(parsed, ast.Name):
        raise InvalidUsage(f"{text!r}: {expression!r} is neither a name nor a call like run_app(): {_FORMS}")
