"""This library as a distribution: how another project requires it, and at which versions of all else.

Apart from the commands, since reading metadata takes longer than most of them.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aylien_model_serving.cli import wheel
from aylien_model_serving.servers.summary import NAME, version

_PACKAGE = Path(__file__).parents[1]


def requirement(extras: str = "") -> str:
    """Return the line of a requirements.txt that installs the library from the origin of this one.

    Args:
        extras: names of extras to install with it, separated by commas.
    """
    extras = f"[{extras}]" if extras else ""
    if is_local():
        return f"{NAME}{extras}=={version()}"
    origin = _origin()
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return f"{NAME}{extras} @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}"
    if "url" in origin:
        return f"{NAME}{extras} @ {origin['url']}"
    major = version().partition(".")[0]
    return f"{NAME}{extras}>={version()},<{int(major) + 1}" if major.isdigit() else f"{NAME}{extras}"


def is_local() -> bool:
    """Return whether the library came from a folder or a file of this machine."""
    return str(_origin().get("url", "")).startswith("file:")


def write_wheel(folder: Path) -> None:
    """Write a wheel of the library into a folder.

    Raises:
        OSError: it can't be written.
    """
    wheel.write(_installed(), _PACKAGE, folder)


def is_installed() -> bool:
    """Return whether there is metadata of the library, and not its folder alone."""
    try:
        metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return False
    return True


def pins(extra: str) -> list[str]:
    """Return the installed version of each package that the library with one of its extras requires."""
    found: dict[str, str] = {}
    waiting, seen = [(NAME, ""), (NAME, extra)], set()
    while waiting:
        name, extra = step = waiting.pop()
        if step in seen:
            continue
        seen.add(step)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = distribution.version
        for asked in map(Requirement, distribution.requires or ()):
            if asked.marker is None or asked.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(asked.name), each) for each in ("", *asked.extras)]
    del found[NAME]
    return [f"{name}=={pinned}" for name, pinned in sorted(found.items())]


def _origin() -> dict[str, Any]:
    """Return what pip recorded of an installation that came from elsewhere than an index (PEP 610)."""
    try:
        text = _installed().read_text(_ORIGIN)
    except metadata.PackageNotFoundError:
        text = None
    return json.loads(text) if text else {}


#: The file of an installation that says where it came from.
_ORIGIN = "direct_url.json"


def _installed() -> metadata.Distribution:
    """Return the library as pip installed it: setuptools leaves metadata in the folder it came from, too.

    Raises:
        PackageNotFoundError: there is no metadata of it.
    """
    found = metadata.distributions(name=NAME)
    return next((each for each in found if each.read_text(_ORIGIN)), None) or metadata.distribution(NAME)
