"""The command and the environment of a fresh interpreter that finds this package, installed or not.

The package's folder leads PYTHONPATH while the interpreter starts, and is removed before anything else is
started from there. Standard library only.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping, MutableMapping
from pathlib import Path

_VARIABLE = "PYTHONPATH"
_ROOT = str(Path(__file__).absolute().parents[2])


def command(module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of this package."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an interpreter that finds this package where this process has it."""
    if sysconfig.get_path("purelib") == _ROOT:  # found anyway, and would hide the standard library's modules
        return dict(environ)
    return {**environ, _VARIABLE: os.pathsep.join(filter(None, (_ROOT, environ.get(_VARIABLE))))}


def restore(environ: MutableMapping[str, str]) -> None:
    """Remove from an interpreter's environment what `environment` added."""
    first, _, rest = environ.get(_VARIABLE, "").partition(os.pathsep)
    if first != _ROOT:
        return
    if rest:
        environ[_VARIABLE] = rest
    else:
        del environ[_VARIABLE]
