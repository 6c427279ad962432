"""The files of the code that replicas have imported, by which a web worker knows that it has changed.

A replica reports what it imports, the supervisor keeps the first report of each file for as long as the
service lives, and a worker that starts compares. Installed packages are left out: a service that is to load
those again is told so. Knows files, and nothing of processes and sockets.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from aylien_model_serving.rpc.spec import Spec

#: When a file was modified, in nanoseconds since 1970, and its size.
Stamp = tuple[int, int]
Stamps = Mapping[str, Stamp]

#: The stamp of what is not there.
MISSING: Stamp = (-1, -1)

#: The stamp of a file that changed while it was imported: nobody knows what was.
UNCERTAIN: Stamp = (0, 0)

#: Files of one runner that are remembered.
MAX_FILES = 2000

_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
_STANDARD_LIBRARY = tuple(
    os.path.join(os.path.realpath(sysconfig.get_path(name)), "") for name in ("stdlib", "platstdlib")
)


def runner_of(service: str, name: str) -> str:
    """Return the name of what all versions of a runner share."""
    return f"{service}/{name}"


def stamp_of(path: str) -> Stamp:
    """Return the stamp of a file."""
    try:
        status = os.stat(path)
    except OSError:
        return MISSING
    return status.st_mtime_ns, status.st_size


def imported() -> Iterator[str]:
    """Yield the files of the modules of this process that are the service's own."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and is_own(file):
            yield os.path.abspath(file)


def named_by(error: BaseException | None) -> Iterator[str]:
    """Yield the service's own files that an error tells of, whose modules may not have been imported."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
        if isinstance(error, SyntaxError) and error.filename is not None:
            files.append(error.filename)
        yield from (os.path.abspath(file) for file in files if os.path.isfile(file) and is_own(file))
        error = error.__cause__ or error.__context__


def is_own(file: str) -> bool:
    """Return whether a file is not Python's, an installed package's, or hidden, as those of caches are."""
    path = os.path.realpath(file)
    if any(part.startswith(".") for part in Path(os.path.relpath(path)).parts if part != ".."):
        return False
    return not path.startswith(_STANDARD_LIBRARY) and not any(part in path for part in _INSTALLED)


def digest_of_changes(known: Stamps, stamps: Stamps) -> str:
    """Return a digest of the files whose stamps are not the known ones; empty where all are the same."""
    return digest_of({path: stamps[path] for path, stamp in known.items() if stamps[path] != stamp})


def digest_of(stamps: Stamps) -> str:
    """Return a digest of files and their stamps; empty where there are none."""
    if not stamps:
        return ""
    text = "".join(f"{path}\0{modified} {size}\n" for path, (modified, size) in sorted(stamps.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


class KnownFiles:
    """The files of each runner with their first stamps, in a file that one process writes.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._runners = read(path)

    def add(self, spec: Spec, stamps: Stamps) -> None:
        """Add what a replica has imported; a file that is known stays as it is.

        Raises:
            OSError: it can't be written.
        """
        files = self._runners.setdefault(runner_of(spec.service, spec.name), {})
        added = {path: stamp for path, stamp in stamps.items() if path not in files}
        for path in list(added)[: MAX_FILES - len(files)]:
            files[path] = added[path]
        if added:
            self._write()

    def _write(self) -> None:
        written = self._path.with_suffix(".new")
        written.write_bytes(msgspec.json.encode(self._runners))
        written.replace(self._path)


def read(path: Path) -> dict[str, dict[str, Stamp]]:
    """Return the files of each runner, with their first stamps; none where the file is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Stamp]])
    except (OSError, msgspec.DecodeError):
        return {}


def stamps_of(paths: Iterable[str]) -> dict[str, Stamp]:
    """Return the stamps of files."""
    return {path: stamp_of(path) for path in paths}
