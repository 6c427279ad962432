"""A service with jobs; the environment says which routes it has, with how many replicas and retries."""

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask

from aylien_model_serving import FlaskAppWrapper, InvalidRequest, JobProgress
from tests.services.hosted_apps import wait_at


def make_fries(job_progress: JobProgress, fries_name: str, amount: int = 1, pause: float = 0.0) -> str:
    """Report as the example of FastTaskAPI does."""
    job_progress.set_status(0.1, f"started new fries creation {fries_name}")
    time.sleep(pause)
    job_progress.set_status(0.5, f"I am working on it. Lots of work to do {amount}")
    time.sleep(pause)
    job_progress.set_status(0.8, "Still working on it. Almost done")
    return f"Your fries {fries_name} are ready"


def work(
    text: str = "",
    sleep: float = 0.0,
    gate: str = "",
    die_if: str = "",
    refuse: bool = False,
    fail_times: int = 0,
    diary: str = "",
) -> Any:
    """Do what a call asks for, without a word on the way."""
    if diary:
        with Path(diary).open("a") as file:
            file.write(f"{text}\n")
    if gate:
        wait_at(Path(gate))
    time.sleep(sleep)
    if die_if and Path(die_if).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    if refuse:
        raise InvalidRequest("not this text")
    if fail_times and len(Path(diary).read_text().splitlines()) <= fail_times:
        raise ValueError("the secret of the model")
    return {"text": text, "pid": os.getpid()}


def report(job_progress: JobProgress, gate: str = "") -> None:
    """Report until it is told to stop."""
    job_progress.set_status(0.25, "at work")
    Path(gate, "entered").touch()
    while True:
        job_progress.set_status(0.25)
        time.sleep(0.01)


def echo(text: str) -> dict[str, str]:
    return {"text": text}


def count_up(count: int, pause: float = 0.0) -> Iterator[dict[str, int]]:
    for number in range(count):
        yield {"number": number}
        time.sleep(pause)


def fail(text: str) -> Iterator[str]:
    """Write to the log, make an item, write again, and raise."""
    logging.getLogger("model").warning("begins %s", text)
    yield text
    logging.getLogger("model").warning("goes on with %s", text)
    raise ValueError("the secret of the model")


class Broken:
    """A model that can't be loaded."""

    def __init__(self) -> None:
        raise RuntimeError("no weights")

    def __call__(self, text: str) -> str:
        return text


def working() -> Flask:
    """Return a service of the routes that ROUTES names, separated by commas."""
    several = {"replicas": int(os.environ.get("REPLICAS", "1")), "devices": ["cpu"]}
    limits = {"retries": int(os.environ.get("RETRIES", "1")), "queue_size": 1000}
    routes: dict[str, dict[str, Any]] = {
        "fries": {"callable": make_fries, "job": True},
        "work": {"callable": work, "job": limits, "runner": several},
        "more": {"callable": work, "job": limits, "runner": several},
        "few": {"callable": work, "job": {"queue_size": 2}},
        "report": {"callable": report, "job": {"timeout": 30}},
        "stuck": {"callable": work, "job": {"grace": 0.3}},
        "hasty": {"callable": work, "job": {"timeout": 0.5, "grace": 0.3, "retries": 3}},
        "fail": {"callable": fail, "job": True},
        "count": {"callable": count_up, "job": True},
        "broken": {"callable": Broken, "job": True},
        "echo": {"callable": echo},
    }
    chosen = os.environ["ROUTES"].split(",")
    return FlaskAppWrapper.create_app(
        [{"endpoint": f"/{name}", "name": name} | routes[name] for name in chosen]
    )
