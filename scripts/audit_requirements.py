"""Audits the pinned requirements with what pip and its index tell; needs the environment of `make dev`.

python scripts/audit_requirements.py     # exits with 1 if there is a finding

It tells whether every requirement is one version, whether those of requirements.txt are all that they need,
whether what is installed agrees, and whether a pinned version has been withdrawn ("yanked", PEP 592) or is
not there for this Python or the lowest one. It does not tell known vulnerabilities: indexes do not; pip-audit
asks pypi.org or osv.dev for them. An index that does not answer is no finding, and is said.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1]
COMPLETE = "requirements.txt"

#: This Python, and the lowest that is supported, whose versions of packages end first.
THIS, LOWEST = f"{sys.version_info.major}.{sys.version_info.minor}", "3.10"

#: Files whose packages are gigabytes, which pip would load to learn of them.
TOO_LARGE = {"requirements-torch.txt"}

#: Requirements of one run of pip, and runs at a time: it waits for the index most of the time.
_RUN, _RUNS = 16, 8

#: Seconds that one run may take.
_SECONDS = 600

_INSTALL = (
    *(sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"),
    *("--dry-run", "--no-deps", "--ignore-installed"),
)

#: What pip wants of who asks for another Python; nothing is written to the folder.
_FOR_OTHER = ("--only-binary=:all:", "--target", "never-made")

#: What pip warns of; the report of pip 23.2, which Python 3.11 brings, has no word of it.
_YANKED = re.compile(r"is a yanked version: '(?P<name>[^']+)' candidate \(version (?P<version>\S+) ")

_ANSWERED = re.compile(r"satisfies the requirement (\S+) \(from versions: (?!none\))")


class Outcome(NamedTuple):
    """What a check found, and what it could not find out."""

    findings: Sequence[str] = ()
    untold: Sequence[str] = ()


def lines_of(file: Path) -> list[str]:
    """Return the requirements in a file."""
    lines = (line.strip() for line in file.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def is_pinned(line: str) -> bool:
    """Return whether a requirement allows one version alone."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return False
    [*specifiers] = requirement.specifier
    exact = len(specifiers) == 1 and specifiers[0].operator == "==" and "*" not in specifiers[0].version
    return exact and requirement.url is None


def unpinned(file: Path) -> list[str]:
    """Return what is wrong with the lines of a file."""
    return [f"{file.name}: {line!r} is not one version" for line in lines_of(file) if not is_pinned(line)]


def held(lines: Iterable[str], python: str = THIS) -> dict[str, Requirement]:
    """Return the requirements that hold for a Python, by name."""
    environment = {} if python == THIS else {"python_version": python, "python_full_version": f"{python}.0"}
    found = [Requirement(line) for line in lines if is_pinned(line)]
    return {
        canonicalize_name(each.name): each
        for each in found
        if each.marker is None or each.marker.evaluate(environment)
    }


def versions(requirements: Mapping[str, Requirement]) -> list[str]:
    """Return requirements as pip takes them, without the Pythons that they are for."""
    return [f"{each.name}{each.specifier}" for each in requirements.values()]


def differing(pins: dict[str, Requirement]) -> Iterator[str]:
    """Yield where what is installed is another version, or needs what is not pinned."""
    for name, pin in pins.items():
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if not pin.specifier.contains(installed.version, prereleases=True):
            yield f"{name}: {installed.version} is installed, and {pin} pinned"
        for text in installed.requires or ():
            needed = Requirement(text)
            holds = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if holds and canonicalize_name(needed.name) not in pins:
                yield f"{name}: it needs {needed.name}, which is not pinned"


def ask_pip(lines: list[str], python: str = THIS) -> Outcome:
    """Ask the index for requirements, as an installation would, and install nothing."""
    of_other = () if python == THIS else (*_FOR_OTHER, "--python-version", python)
    try:
        done = subprocess.run(
            [*_INSTALL, *of_other, *lines],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Outcome(untold=lines)
    if done.returncode == 0:
        return Outcome(list(withdrawn(done.stderr)))
    gone = _ANSWERED.search(done.stderr)
    if gone is None:
        return Outcome(untold=lines)
    rest = [line for line in lines if Requirement(line).name.lower() != Requirement(gone[1]).name.lower()]
    others = ask_pip(rest, python) if len(rest) < len(lines) and rest else Outcome()
    finding = f"{gone[1]}: the index has no such version for Python {python}"
    return Outcome([finding, *others.findings], others.untold)


def withdrawn(warnings: str) -> Iterator[str]:
    """Yield the versions that their authors have withdrawn, as pip warns of them."""
    for match in _YANKED.finditer(warnings):
        yield f"{match['name']}=={match['version']}: its authors have withdrawn it"


def ask_index(lines: list[str], python: str = THIS) -> Outcome:
    """Ask the index for all requirements of a Python."""
    runs = [lines[at : at + _RUN] for at in range(0, len(lines), _RUN)]
    with ThreadPoolExecutor(_RUNS) as pool:
        outcomes = list(pool.map(ask_pip, runs, [python] * len(runs)))
    return Outcome(
        [finding for outcome in outcomes for finding in outcome.findings],
        [line for outcome in outcomes for line in outcome.untold],
    )


def inconsistent() -> list[str]:
    """Return where installed packages don't fit each other."""
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    return [] if done.returncode == 0 else done.stdout.splitlines()


def main() -> int:
    """Run all checks, say what they found, and return the exit status."""
    files = sorted(PROJECT.glob("requirements*.txt"))
    complete = lines_of(PROJECT / COMPLETE)
    asked = [line for file in files if file.name not in TOO_LARGE for line in versions(held(lines_of(file)))]
    outcomes = [ask_index(asked)]
    if THIS != LOWEST:
        outcomes.append(ask_index(versions(held(complete, LOWEST)), LOWEST))
    findings = [
        *(finding for file in files for finding in unpinned(file)),
        *differing(held(complete)),
        *inconsistent(),
        *(finding for outcome in outcomes for finding in outcome.findings),
    ]
    untold = [line for outcome in outcomes for line in outcome.untold]
    for finding in findings:
        print(f"FOUND  {finding}")
    if untold:
        print(f"the index did not answer for {len(untold)} requirements")
    print(f"the index was not asked for {', '.join(sorted(TOO_LARGE))}, nor for known vulnerabilities")
    print(f"{len(findings)} findings in {len(files)} files")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
