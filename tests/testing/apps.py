"""Services for the tests of the testing helper; each handler returns which process it runs in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from flask import Flask

from aylien_model_serving import FlaskAppWrapper, InvalidRequest, JobProgress
from aylien_model_serving.service import Service


class Classifier:
    """A model with a device, an argument and hints."""

    def __init__(self, label: str, device: str = "none") -> None:
        self.label = label
        self.device = device

    def __call__(self, text: str) -> dict[str, Any]:
        if not text:
            raise InvalidRequest("text: must not be empty")
        return {"label": self.label, "device": self.device, "pid": os.getpid()}


class Broken:
    def __init__(self) -> None:
        raise FileNotFoundError("there are no weights")

    def __call__(self) -> str:
        return ""


def lengths(text: list[str]) -> list[int]:
    return [len(one) for one in text]


def fry(job_progress: JobProgress, name: str) -> dict[str, Any]:
    job_progress.set_status(0.5, "half")
    return {"fries": name, "pid": os.getpid()}


def count(to: int) -> Iterator[int]:
    yield from range(to)


def echo(text: str) -> str:
    return f"echo {text}"


def run_app() -> Flask:
    """Return an app with one route of each kind."""
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/classify", "callable": Classifier, "runner": {"init": {"label": "news"}}},
            {"endpoint": "/lengths", "callable": lengths, "runner": True, "batch": {"max_wait_ms": 1}},
            {"endpoint": "/fries", "callable": fry, "job": True},
            {"endpoint": "/count", "callable": count, "runner": True},
            {"endpoint": "/echo", "callable": echo, "warmup": {"text": "x"}},
        ]
    )


def one_model() -> Flask:
    return FlaskAppWrapper.create_app(
        [
            {
                "endpoint": "/classify",
                "callable": Classifier,
                "runner": {"init": {"label": "one"}, "replicas": 2},
            }
        ]
    )


def broken() -> Flask:
    return FlaskAppWrapper.create_app([{"endpoint": "/", "callable": Broken, "runner": True}])


def leaves_a_child() -> Flask:
    """Start what belongs to nobody, as a careless handler does."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    return FlaskAppWrapper.create_app([])


plain = Flask(__name__)
service = Service("tests")


@service.init
def load() -> dict[str, str]:
    return {"label": "decorated"}


@service.endpoint(runner=True)
def decorated(context: dict[str, str], text: str) -> dict[str, Any]:
    return {"label": context["label"], "text": text, "pid": os.getpid()}
