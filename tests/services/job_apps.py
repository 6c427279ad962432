"""Services with jobs; the tests start them in processes of their own."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from aylien_model_serving.jobs.progress import JobProgress


def make_fries(job_progress: JobProgress, fries_name: str, amount: int = 1, pause: float = 0.0) -> str:
    job_progress.set_status(0.1, f"started new fries creation {fries_name}")
    time.sleep(pause)
    job_progress.set_status(0.5, f"I am working on it. Lots of work to do {amount}")
    time.sleep(pause)
    job_progress.set_status(0.8, "Still working on it. Almost done")
    return f"Your fries {fries_name} are ready"


def work(text: str = "", sleep: float = 0.0, die_if: str = "", refuse: bool = False, fail: bool = False) -> Any:
    time.sleep(sleep)
    if die_if and Path(die_if).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    if refuse:
        raise InvalidRequest("not this text")
    if fail:
        raise ValueError("the secret of the model")
    return {"text": text, "pid": os.getpid()}


def count_up(count: int, pause: float = 0.0) -> Iterator[int]:
    for number in range(count):
        yield number
        time.sleep(pause)


def working() -> Flask:
    """Return a service whose routes keep their calls as jobs."""
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/fries", "callable": make_fries, "job": {"queue_size": 5}},
            {"endpoint": "/work", "callable": work, "job": {"retries": 1, "queue_size": 1000}},
            {"endpoint": "/count", "callable": count_up, "job": True},
        ]
    )
