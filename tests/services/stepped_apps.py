"""A service with jobs whose processes have a wall clock that a test can step, for Python code."""

import os
import time
from pathlib import Path
from typing import Any

from flask import Flask

from aylien_model_serving import FlaskAppWrapper
from tests.services import stepped_clock
from tests.services.hosted_apps import wait_at

stepped_clock.install()  # in replicas too, which import this


def work(gate: str = "") -> dict[str, Any]:
    if gate:
        wait_at(Path(gate))
    return {"pid": os.getpid(), "wall_clock_ahead": round(time.time() - stepped_clock.true_time())}


def working() -> Flask:
    runner = {"replicas": 2, "devices": ["cpu"]}
    options = {"keep": 3600, "timeout": 3600}
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/work", "callable": work, "job": options, "runner": runner}]
    )
