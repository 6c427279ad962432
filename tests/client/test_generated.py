"""The blocking client is the one that scripts/unasync.py generates from the client for asyncio."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "unasync.py"

pytestmark = pytest.mark.processes


def test_the_generated_files_are_not_stale() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
