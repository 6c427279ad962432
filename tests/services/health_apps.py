"""A service whose handlers are as well as a file says."""

import os
from pathlib import Path
from typing import Any

from aylien_model_serving.app_factory import FlaskAppWrapper


class Hosted:
    """Is not well in the process whose number is in the file."""

    def __call__(self, text: str) -> int:
        return os.getpid()

    def health(self) -> bool:
        return str(os.getpid()) not in Path(os.environ["ILL"]).read_text().split()


class Here(Hosted):
    def health(self) -> bool:
        return "here" not in Path(os.environ["ILL"]).read_text().split()


def run_app() -> Any:
    health = {"every": 0.05, "failures": 2}
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/hosted", "callable": Hosted, "name": "hosted", "runner": {"health": health}},
            {"endpoint": "/here", "callable": Here, "name": "here"},
        ]
    )
