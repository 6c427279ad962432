"""Digests of a service's code, which change with it: of the sizes and times of files."""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
from collections.abc import Iterator
from types import ModuleType

#: Module name under which a replica loads the script that is `__main__` in the web worker.
MAIN = "__model_serving_main__"

#: Files of a package whose sizes and times are part of its fingerprint.
_MAX_FILES = 2000


def fingerprint(module: ModuleType | str) -> str:
    """Return a digest that changes with a module's code: of the sizes and times of its package's *.py files.

    Args:
        module: an imported module, or the module of a target's name.
    """
    name = module if isinstance(module, str) else module.__name__
    if name == MAIN and MAIN not in sys.modules:
        name = "__main__"
    top = sys.modules.get(name.partition(".")[0])
    folders = sorted(getattr(top, "__path__", ()))
    file = getattr(top, "__file__", None)
    files = itertools.chain.from_iterable(map(_sources, folders)) if folders else iter([file] if file else [])
    digest = hashlib.sha256(sys.version.encode())
    for path in itertools.islice(files, _MAX_FILES):
        try:
            status = os.stat(path)
        except OSError:  # removed since it was listed, or part of an archive
            continue
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _sources(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        yield from (os.path.join(parent, file) for file in sorted(files) if file.endswith(".py"))
