"""Clients of other inference servers for tests, each in an environment of its own, which `.ci/run` makes."""

from pathlib import Path

from tests.services.serving import PROJECT
from tests.with_packages import lack


def find_program(environment: str, program: str = "python") -> Path:
    """Return a program of an environment: a run without it says so, and CI's fails.

    Args:
        environment: "tritonclient", "kserve" or "mlserver".
        program: in its folder of programs.
    """
    found = PROJECT / ".venv" / environment / "bin" / program
    if not found.exists():
        lack(
            f"{environment} is not installed: python3 -m venv .venv/{environment} && "
            f".venv/{environment}/bin/python -m pip install --requirement requirements-{environment}.txt"
        )
    return found
