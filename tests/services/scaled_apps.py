"""A service of one small model, whose runner has the options that the environment names as JSON."""

import json
import os
import time
from pathlib import Path
from typing import Any

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper


class Model:
    """Tells which process answers; its `load_gate` keeps it from being loaded until that file is there."""

    def __init__(self, load_gate: str = "") -> None:
        while load_gate and not Path(load_gate).exists():
            time.sleep(0.01)

    def __call__(self, seconds: float = 0.0) -> dict[str, Any]:
        time.sleep(seconds)
        return {"pid": os.getpid(), "nice": os.nice(0), "variable": os.environ.get("OF_THE_MODEL", "")}


def scaled() -> Flask:
    """Return the service."""
    runner = json.loads(os.environ["RUNNER"])
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/model", "name": "model", "callable": Model, "runner": runner}]
    )
