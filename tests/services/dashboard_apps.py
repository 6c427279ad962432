"""A service of which the dashboard has all to show: batches, a cache, replicas, jobs that wait for tests."""

import time
from pathlib import Path
from typing import Any

from flask import Flask

from aylien_model_serving import FlaskAppWrapper, InvalidRequest, JobProgress
from tests.services.hosted_apps import wait_at


class Batched:
    """Takes long enough for a batch to gather behind it."""

    def __call__(self, text: list[str]) -> list[int]:
        time.sleep(0.05)
        return [len(item) for item in text]


def detect(text: str) -> dict[str, str]:
    if text == "refuse":
        raise InvalidRequest("not this text")
    if text == "fail":
        raise ValueError("the secret of the model")
    return {"language": "en"}


def render(job_progress: JobProgress, title: str, gates: str = "") -> dict[str, Any]:
    """Report a quarter at each gate that a test opens."""
    for step in range(3 if gates else 0):
        job_progress.set_status(step / 4 + 0.25, f"{title} {step}")
        gate = Path(gates) / str(step)
        gate.mkdir(exist_ok=True)
        wait_at(gate)
    return {"title": title}


def showing() -> Flask:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/detect", "callable": detect, "cache": True},
            {
                "endpoint": "/batched",
                "name": "batched",
                "callable": Batched,
                "runner": {"replicas": 2, "devices": ["cpu"]},
                "batch": {"max_size": 8, "max_wait_ms": 20},
            },
            {"endpoint": "/render", "callable": render, "job": True},
        ]
    )


def plain() -> Flask:
    return FlaskAppWrapper.create_app([{"endpoint": "/detect", "callable": detect}])
