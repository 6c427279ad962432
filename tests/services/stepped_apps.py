"""A service with jobs whose processes have a wall clock that a test can step, for Python code."""

import os
import time
from pathlib import Path
from typing import Any

from flask import Flask

from aylien_model_serving import FlaskAppWrapper
from tests.services.hosted_apps import wait_at

#: The file whose seconds the wall clock is ahead; what the module does to it is done in replicas, too.
_STEP = Path(os.environ.get("CLOCK_STEP", os.devnull))

_true_time = time.time


def _stepped_time() -> float:
    return _true_time() + float(_STEP.read_text() or 0)


def work(gate: str = "") -> dict[str, Any]:
    if gate:
        wait_at(Path(gate))
    return {"pid": os.getpid(), "wall_clock_ahead": round(time.time() - _true_time())}


def working() -> Flask:
    runner = {"replicas": 2, "devices": ["cpu"]}
    options = {"keep": 3600, "timeout": 3600}
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/work", "callable": work, "job": options, "runner": runner}]
    )


if "CLOCK_STEP" in os.environ:
    time.time = _stepped_time
