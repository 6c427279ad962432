"""Plain programs that call models: a replica, which imports their file, must not make these calls too."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

MODEL = """
import asyncio
from aylien_model_serving import Model

def double(number: int) -> int:
    return 2 * number

doubled = Model(double)
"""


def run(folder: Path, calls: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the model and some calls of it."""
    script = folder / "program.py"
    script.write_text(MODEL + calls)
    return subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)


def test_a_program_calls_models_below_its_guard(tmp_path: Path) -> None:
    done = run(tmp_path, 'if __name__ == "__main__":\n    print(doubled(3))\n')

    assert (done.returncode, done.stdout) == (0, "6\n"), done.stderr


@pytest.mark.parametrize(
    "call", ["doubled(3)", "asyncio.run(doubled.call_async(3))", "doubled.map(number=[3])"]
)
def test_a_call_without_a_guard_ends_with_an_error_that_names_it(tmp_path: Path, call: str) -> None:
    done = run(tmp_path, call)

    assert done.returncode == 1
    [cause] = [
        line for line in done.stderr.splitlines() if "ReplicaError" in line and "Traceback" not in line
    ]
    assert 'put the call below `if __name__ == "__main__":`' in cause
    assert "Unavailable: double has no live replica" in done.stderr
