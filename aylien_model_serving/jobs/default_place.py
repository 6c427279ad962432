"""Where a service keeps its jobs unless it is told: with its project, never with the interpreter's packages.

Two projects of one environment have two stores, and two services of one project; and a service may run as a
user who can't write where they would be.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import sysconfig
from pathlib import Path

from aylien_model_serving.errors import ConfigurationError

#: Folder beside a project's top module.
FOLDER = "instance"

#: What a file's name has of its service's: so many letters, and none but these.
_LONGEST_NAME, _OTHERS = 80, re.compile(r"[^A-Za-z0-9._-]+")

#: Digits of the hash that tells projects of one name apart, and names that look alike.
_DIGITS = 12


def default_file(module: str, service: str, state_home: Path) -> Path:
    """Return the file for the jobs of a service; its folder is made if it is not there.

    Args:
        module: name of a handler's module, which says where the project is.
        service: the service's name: a project may have several.
        state_home: the folder for state of this user's programs, for a project that can't be written to.

    Raises:
        ConfigurationError: neither place can be written to.
    """
    tried = _folders(module, state_home)
    for folder in tried:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder / _file_name(service)
    raise ConfigurationError(
        f"No jobs can be kept in {' or '.join(map(str, tried))}, which can't be written to: set "
        "MODEL_SERVING_JOBS_URL, e.g. to sqlite:////var/lib/my-service/jobs.sqlite3"
    )


def expected_file(module: str, service: str, state_home: Path) -> Path:
    """Return what `default_file` will return, and make nothing."""
    return _folders(module, state_home)[0] / _file_name(service)


def _folders(module: str, state_home: Path) -> list[Path]:
    """Return the folders that come into question, the first of them first."""
    project, name = _project(module)
    state = state_home / "model-serving" / f"{name}-{_digest(os.fsencode(project))}"
    own = project / FOLDER
    places = [project, own] if own.exists() else [project]
    is_own = not _is_of_interpreter(project) and all(os.access(place, os.W_OK) for place in places)
    return [own, state] if is_own else [state]


def _file_name(service: str) -> str:
    """Return the name of a service's file; what of its name can't stand there is a hash."""
    left = _OTHERS.sub("_", service)[:_LONGEST_NAME]
    return f"jobs-{service if left == service else f'{left}-{_digest(service.encode())}'}.sqlite3"


def _digest(name: bytes) -> str:
    return hashlib.sha256(name).hexdigest()[:_DIGITS]


def _project(module: str) -> tuple[Path, str]:
    """Return the folder in which a module's top package or file lies, and the name of that."""
    name = module.partition(".")[0]
    top = sys.modules.get(name)
    places = list(getattr(top, "__path__", ())) or [getattr(top, "__file__", None)]
    if not places[0]:
        return Path.cwd(), name
    file = Path(places[0]).resolve()
    return file.parent, file.stem if name == "__main__" else name


def _is_of_interpreter(folder: Path) -> bool:
    """Return whether a folder holds installed packages."""
    paths = sysconfig.get_paths()
    installed = [Path(paths[name]).resolve() for name in ("purelib", "platlib", "stdlib", "platstdlib")]
    return any(folder.is_relative_to(place) for place in installed)
