"""RunPod's SDK for its tests, in an environment of its own: a run without it says so, and CI's fails."""

import os
from pathlib import Path

import pytest

from tests.services.serving import PROJECT

#: The interpreter that has it, where it is not the one that `.ci/run` makes.
VARIABLE = "RUNPOD_PYTHON"

_HOW = (
    "python3 -m venv .venv/runpod && .venv/runpod/bin/python -m pip install "
    "--constraint requirements.txt --requirement requirements-runpod.txt --editable ."
)


def find_interpreter() -> Path:
    """Return the interpreter of the environment."""
    python = Path(os.environ.get(VARIABLE) or PROJECT / ".venv" / "runpod" / "bin" / "python")
    if python.exists():
        return python
    if os.environ.get("CI"):
        pytest.fail(f"RunPod's SDK is not installed: there is no {python}")
    pytest.skip(f"RunPod's SDK is not installed: {_HOW}")
