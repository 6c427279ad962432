"""A service whose handlers leave work behind: inline, batched, and hosted by runners."""

import logging
import os
import time
from pathlib import Path
from typing import Any

from flask import Flask

from aylien_model_serving import BackgroundTask, BackgroundTasks, TaskResponse
from aylien_model_serving.app_factory import FlaskAppWrapper
from tests.services.hosted_apps import wait_at

#: How long the work goes on when its gate is open: a process that does not wait for it ends sooner.
WORK_SECONDS = 0.5

logger = logging.getLogger("service.model")


def work(gate: str) -> None:
    """Tell that the work is under way, wait for the gate, and tell when all is done."""
    wait_at(Path(gate))
    time.sleep(WORK_SECONDS)
    (Path(gate) / "done").write_text(str(os.getpid()))


def fail() -> None:
    raise ValueError("no way")


def answer(gate: str = "") -> Any:
    tasks = BackgroundTasks([BackgroundTask(fail)])
    if gate:
        tasks.add_task(work, gate)
    return TaskResponse({"pid": os.getpid()}, tasks)


async def answer_async(gate: str = "") -> Any:
    return answer(gate)


def answer_batch(gate: list[str]) -> list[Any]:
    return [answer(item) for item in gate]


def view() -> Any:
    return FlaskAppWrapper.process_json(answer)


ROUTES: dict[str, dict[str, Any]] = {
    "inline": {"callable": answer},
    "async": {"callable": answer_async},
    "view": {"callable": view, "methods": ["POST"]},
    "hosted": {"callable": answer, "runner": True, "warmup": {"gate": ""}},
    "batched": {"callable": answer_batch, "runner": True, "batch": True, "warmup": {"gate": ""}},
}


def leaving_work() -> Flask:
    """Return a service of the route that the environment names."""
    name = os.environ["ROUTE"]
    return FlaskAppWrapper.create_app([{"endpoint": f"/{name}", "name": name, **ROUTES[name]}])
