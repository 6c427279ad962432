"""This library as a distribution: its version, and how another project requires it.

Apart from the commands, since reading metadata takes longer than most of them.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

from aylien_model_serving.servers.summary import NAME, version

#: The folder that has this package; a checkout has its setup.cfg as well.
_HOME = Path(__file__).parents[2]


def requirement(extras: str = "") -> str:
    """Return the line of a requirements.txt that installs the library from the origin of this one.

    Args:
        extras: names of extras to install with it, separated by commas.
    """
    extras = f"[{extras}]" if extras else ""
    if _is_checkout():
        return f"-e {_HOME}{extras}"
    origin = _origin()
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return f"{NAME}{extras} @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}"
    if "url" in origin:
        return f"{NAME}{extras} @ {origin['url']}"
    major = version().partition(".")[0]
    return f"{NAME}{extras}>={version()},<{int(major) + 1}" if major.isdigit() else f"{NAME}{extras}"


def is_local(requirement: str) -> bool:
    """Return whether a requirement is a folder or file of this machine."""
    return requirement.startswith("-e ") or " @ file:" in requirement


def _is_checkout() -> bool:
    file = _HOME / "setup.cfg"
    return file.is_file() and f"name = {NAME}\n" in file.read_text()


def _origin() -> dict[str, Any]:
    """Return what pip recorded of an installation that came from elsewhere than an index (PEP 610)."""
    try:
        text = metadata.distribution(NAME).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        text = None
    return json.loads(text) if text else {}
