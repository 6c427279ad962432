"""Prints pip constraints that pin what the package requires to the lowest versions that setup.cfg allows.

python scripts/lowest_versions.py > lowest.txt && pip install --constraint lowest.txt --editable .
"""

from __future__ import annotations

import configparser
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1]


def required() -> list[Requirement]:
    """Return what the package itself requires, without its extras."""
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg")
    return [Requirement(line) for line in config["options"]["install_requires"].strip().splitlines()]


def lowest(requirement: Requirement) -> str:
    """Return a requirement of the lowest version that another one allows.

    Raises:
        ValueError: it names no lowest version.
    """
    versions = [part.version for part in requirement.specifier if part.operator in {">=", "=="}]
    if len(versions) != 1:
        raise ValueError(f"{requirement} names no lowest version")
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}=={versions[0]}{marker}"


if __name__ == "__main__":
    print(*map(lowest, required()), sep="\n")
