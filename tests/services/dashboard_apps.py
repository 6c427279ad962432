"""A service of which the dashboard has all to show: batches, a cache, replicas, jobs that wait for tests."""

import time
from pathlib import Path
from typing import Any

from flask import Flask

from aylien_model_serving import FlaskAppWrapper, InvalidRequest, JobProgress, Model
from tests.services.hosted_apps import wait_at


class Batched:
    """Takes long enough for a batch to gather behind it."""

    def __call__(self, text: list[str]) -> list[int]:
        if "fail" in text:
            raise ValueError("the secret of the model")
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


embed = Model(Batched, name="embed", batch={"max_size": 8})


def rank(query: str) -> int:
    found: int = embed(text=query)
    return found


rank_model = Model(rank, name="a model with a name for which a node has no room")


def search(query: str) -> list[int]:
    return [embed(text=query), rank_model(query=query)]


def composed() -> Flask:
    """A route that calls two models, of which one calls the other, and one that calls none."""
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/search", "callable": search},
            {"endpoint": "/detect", "callable": detect},
        ]
    )


def plain() -> Flask:
    return FlaskAppWrapper.create_app([{"endpoint": "/detect", "callable": detect}])
