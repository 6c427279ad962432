"""Runs the in-process tests on the lowest versions that setup.cfg allows, and on each Python that is here.

python scripts/test_versions.py          # its environments are kept in .venv/versions
python scripts/test_versions.py --ends   # the lowest versions on the oldest Python, and the newest Python
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1]
FOLDER = PROJECT / ".venv" / "versions"
PINNED = PROJECT / "requirements.txt"
SUPPORTED = ("3.10", "3.11", "3.12", "3.13")
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"

#: What the in-process tests import.
NEEDED = (
    "--editable=.[celery,client,fast,granian,grpc,lambda,media,postgres,redis,testing]",
    "fastapi",
    "flask-cors",
    "flask-limiter",
    "flask-talisman",
    "hypothesis",
    "openapi-spec-validator",
    "pytest-timeout",
    "pytest-xdist",
    "uvicorn",
)

#: Pinned packages whose version follows from one of the package's own.
FOLLOWING = {
    "fastapi",
    "pydantic-core",
    "starlette",
    # click's lowest version has an older Celery, which has older ones of these
    "amqp",
    "billiard",
    "celery",
    "click-didyoumean",
    "click-plugins",
    "click-repl",
    "kombu",
    "redis",
    "vine",
}

#: Tests that start programs, need torch, frames or the tools of a checkout, hold for one set of versions
#: alone, or take long and look for what depends on no version.
LEFT_OUT = (
    "cli",
    "codecs/test_arrow.py",
    "codecs/test_json_torch.py",
    "costs",
    "docs",
    "examples",
    "fuzz",
    "instructions",
    "manifests",
    "optimize",
    "packaging",
    "schemas/test_frames.py",
    "schemas/test_hint_rows_of_packages.py",
    "schemas/test_tensors.py",
    "services",
    "soak",
)


def lowest(line: str) -> str:
    """Return the pin of the lowest version that a line of `install_requires` allows.

    Raises:
        ValueError: it names none.
    """
    requirement = Requirement(line)
    [version] = [part.version for part in requirement.specifier if part.operator == ">="]
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}=={version}{marker}"


def write_lowest() -> Path:
    """Write the pins of the lowest versions, and those of requirements.txt for all other packages."""
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg")
    lines = config["options"]["install_requires"].strip().splitlines()
    required = [line for line in lines if not line.startswith("#")]
    own = {canonicalize_name(Requirement(line).name) for line in required} | FOLLOWING
    others = [line for line in PINNED.read_text().splitlines() if "==" in line]
    kept = [line for line in others if canonicalize_name(Requirement(line).name) not in own]
    file = FOLDER / "lowest.txt"
    file.write_text("\n".join([*map(lowest, required), *kept]) + "\n")
    return file


def is_python(program: str, version: str) -> bool:
    """Return whether a program is a Python of a version that can make environments."""
    code = "import ensurepip, sys, venv; print(*sys.version_info[:2], sep='.')"
    return subprocess.run([program, "-c", code], capture_output=True, text=True).stdout.strip() == version


def python_of(version: str) -> str | None:
    """Return a Python of a version: one on the path, or one that pyenv has installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    on_path = shutil.which(f"python{version}")
    places = [*([on_path] if on_path else []), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))]
    return next((place for place in places if is_python(place, version)), None)


def run(*command: str | Path) -> bool:
    """Run a program in the project's folder; return whether it succeeded.

    Without CI, where tests fail for want of a package: torch and frames are not installed for each set of
    versions, and the run of all tests has them.
    """
    environ = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(command, cwd=PROJECT, env=environ).returncode == 0


def is_green(name: str, python: str, pins: Path) -> bool:
    """Make an environment and run the in-process tests in it; return whether all of that succeeded."""
    inside = FOLDER / name / "bin" / "python"
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    tests = ("-m", "pytest", "--quiet", "--numprocesses=3", "-p", "no:cacheprovider", "-m", "not processes")
    return (
        run(python, "-m", "venv", FOLDER / name)
        and run(inside, *install, "--constraint", pins, *NEEDED)
        and run(inside, *tests, *(f"--ignore=tests/{folder}" for folder in LEFT_OUT))
    )


def main() -> int:
    """Run every set that can be run here, say which those were, and return the exit status."""
    is_all = sys.argv[1:] != ["--ends"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    pythons = {version: python_of(version) for version in SUPPORTED if version != THIS}
    oldest = next((version for version in pythons if pythons[version] is not None), THIS)
    lowest_on = pythons.get(oldest) or sys.executable
    outcomes = {f"lowest versions, Python {oldest}": is_green("lowest", lowest_on, write_lowest())}
    others = {version: python for version, python in pythons.items() if is_all or version == SUPPORTED[-1]}
    for version, python in others.items():
        if python is not None:
            outcomes[f"pinned versions, Python {version}"] = is_green(version, python, PINNED)
    for name, passed in outcomes.items():
        print(f"{name}: {'passed' if passed else 'FAILED'}")
    for version in [version for version, python in others.items() if python is None]:
        print(f"Python {version}: not on this machine")
    return 0 if all(outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
