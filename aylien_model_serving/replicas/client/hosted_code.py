"""Whether the code that this service's replicas have imported has changed since, as one process sees it.

For services that reload alone: others may write modules of their own while they load.
"""

from __future__ import annotations

from collections.abc import Iterable

from aylien_model_serving.process import owner
from aylien_model_serving.replicas.client.supervisor_start import SupervisorAddress
from aylien_model_serving.rpc import code_files
from aylien_model_serving.rpc.code_files import Stamp

#: Whether this process's service is one that reloads.
is_reloading = False

#: What this process has seen first of each file.
_seen: dict[str, Stamp] = {}

#: Further files with which replicas are loaded again, of templates and data, as they were seen first.
_further: dict[str, Stamp] = {}


def digest_of_changes(service: str, name: str) -> str:
    """Return a digest of what has changed of the code of a runner's first replicas; empty for nothing.

    Args:
        service: the number of the service in its process.
        name: the runner's name.
    """
    if not is_reloading:
        return ""
    known = _read().get(code_files.runner_of(service, name), {})
    changes = code_files.digest_of_changes(known, {path: _see(path) for path in known})
    return "-".join(filter(None, (changes, code_files.digest_of(_further))))


def begin(further: Iterable[str] = ()) -> None:
    """Have this process look for changes, from what it sees here on: to be called before it loads anything.

    Args:
        further: files, of templates and data, for whose change replicas are loaded again too.
    """
    global is_reloading
    is_reloading = True
    _further.update(code_files.stamps_of(further))
    for path in _known():
        _see(path)


def expected() -> dict[str, Stamp]:
    """Return the files of all runners as this process saw them, or else as a replica has reported them."""
    known = _known()
    return known | {path: _seen[path] for path in known.keys() & _seen.keys()}


def _known() -> dict[str, Stamp]:
    return {path: stamp for files in _read().values() for path, stamp in files.items()}


def _see(path: str) -> Stamp:
    return _seen.setdefault(path, code_files.stamp_of(path))


def _read() -> dict[str, dict[str, Stamp]]:
    pid = owner.find()
    folder = owner.find_folder(pid)
    return {} if folder is None else code_files.read(SupervisorAddress(folder, pid).code)
