"""A wall clock that a test can step, for the Python code of a process whose environment names CLOCK_STEP."""

import os
import time
from pathlib import Path

true_time = time.time

#: The file whose seconds the wall clock is ahead.
_STEP = Path(os.environ.get("CLOCK_STEP", os.devnull))


def _stepped_time() -> float:
    return true_time() + float(_STEP.read_text() or 0)


def install() -> None:
    """Have `time.time` tell the stepped clock, where there is one."""
    if "CLOCK_STEP" in os.environ:
        time.time = _stepped_time
