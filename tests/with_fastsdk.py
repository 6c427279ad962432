"""fastsdk for its test, in an environment of its own: a run without it says so, and CI's fails."""

import os
from pathlib import Path

import pytest

from tests.services.serving import PROJECT

#: The interpreter that has it, where it is not the one that `.ci/run` makes.
VARIABLE = "FASTSDK_PYTHON"

_HOW = (
    "python3 -m venv .venv/fastsdk && "
    ".venv/fastsdk/bin/python -m pip install --requirement requirements-fastsdk.txt"
)


def find_interpreter() -> Path:
    """Return the interpreter of the environment."""
    python = Path(os.environ.get(VARIABLE) or PROJECT / ".venv" / "fastsdk" / "bin" / "python")
    if python.exists():
        return python
    if os.environ.get("CI"):
        pytest.fail(f"fastsdk is not installed: there is no {python}")
    pytest.skip(f"fastsdk is not installed: {_HOW}")
