"""A virtual environment per peer, created from its requirements and recreated when they change."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.peers import Peer

DEFAULT_FOLDER = Path(__file__).parent / ".envs"
INSTALL_TIMEOUT_S = 1800
VERSIONS_SCRIPT = (
    "import importlib.metadata as m, json, platform; "
    "print(json.dumps({'python': platform.python_version(), "
    "**{d.metadata['Name'].lower(): d.version for d in m.distributions() if d.metadata['Name']}}))"
)


class Unavailable(Exception):
    """A peer can't be measured; the message says why."""


def prepare(peer: Peer, folder: Path) -> Path:
    """Return the Python of the peer's environment, created if it is missing or its requirements changed.

    Raises:
        Unavailable: no interpreter of the required version, or a failed installation.
    """
    if peer.installed:
        return Path(sys.executable)
    environment = folder / peer.folder
    python = environment / "bin" / "python"
    requirements = (peer.home / "requirements.txt").read_text()
    stamp = environment / ".requirements"
    if stamp.is_file() and stamp.read_text() == requirements:
        return python
    base = _interpreter(peer)
    print(f"installing {peer.folder} into {environment}", flush=True)
    shutil.rmtree(environment, ignore_errors=True)
    _run([base, "-m", "venv", str(environment)], peer)
    _run([str(python), "-m", "pip", "install", "--quiet", "-r", str(peer.home / "requirements.txt")], peer)
    stamp.write_text(requirements)
    return python


def versions(python: Path) -> dict[str, str]:
    """Return what is installed in an environment: distribution (and `python`) → version."""
    completed = subprocess.run(
        [str(python), "-c", VERSIONS_SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, str] = json.loads(completed.stdout)
    return found


def _interpreter(peer: Peer) -> str:
    if peer.python is None:
        return sys.executable
    name = f"python{peer.python}"
    candidates = [
        shutil.which(name),
        *map(str, sorted(_pyenv_versions().glob(f"{peer.python}.*/bin/{name}"))),
    ]
    for candidate in candidates:
        if candidate and _works(candidate):
            return candidate
    raise Unavailable(f"needs Python {peer.python}, which is not on this machine")


def _pyenv_versions() -> Path:
    return Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"


def _works(python: str) -> bool:
    """Return whether an interpreter runs: a shim may exist without one behind it."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False, timeout=60).returncode == 0


def _run(command: list[str], peer: Peer) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=INSTALL_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
        raise Unavailable(f"can't be installed: {' '.join(reason)}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"can't be installed within {INSTALL_TIMEOUT_S} s") from error
