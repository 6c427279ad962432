"""The service that the faults happen to: a handler inline, in batches of a worker, hosted, and in jobs."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from tests.services import stepped_clock

stepped_clock.install()  # in replicas too, which import this

RUN_SECONDS = 0.005
REPLICAS = 2
BATCH = {"max_size": 8, "max_wait_ms": 10}

#: Seconds without a sign of life, longer than a busy machine has a process wait.
FROZEN = {"unresponsive_after": 4, "kill_after": 8}

#: Seconds after which a call that nothing answers is a 504, so that clients go on.
TIMEOUT = 20

#: More bytes than any machine has addresses for.
_TOO_MANY = 1 << 60


def segfault() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no dump in the folder of whoever runs this
    ctypes.string_at(0)


#: Seconds that a job takes that rests, and items of a stream, with the characters of each.
_REST_SECONDS = 1.0
ITEMS, _ITEM_LENGTH = 200, 20_000

#: What a call can have the handler do.
DEEDS: dict[str, Callable[[], object]] = {
    "rest": lambda: time.sleep(_REST_SECONDS),
    "sys.exit": lambda: sys.exit(3),
    "MemoryError": lambda: bytearray(_TOO_MANY),
    "os._exit": lambda: os._exit(3),
    "segfault": segfault,
}


def one(deed: str = "") -> int:
    time.sleep(RUN_SECONDS)
    if deed in DEEDS:
        DEEDS[deed]()
    return os.getpid()


def many(deed: list[str]) -> list[int]:
    time.sleep(RUN_SECONDS)
    for name in filter(None, deed):
        DEEDS[name]()
    return [os.getpid()] * len(deed)


def streamed() -> Iterator[str]:
    for _ in range(ITEMS):
        time.sleep(RUN_SECONDS)
        yield "x" * _ITEM_LENGTH


def app() -> Flask:
    """Return the service, and note in the folder LOADED that this process has it."""
    runner = {"replicas": REPLICAS, "devices": ["cpu"] * REPLICAS, **FROZEN}
    inline = {"name": "inline", "callable": one, "timeout": TIMEOUT}
    batched = {"name": "batched", "callable": many, "timeout": TIMEOUT, "batch": BATCH}
    made = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/inline", **inline},
            {"endpoint": "/batched", **batched},
            {"endpoint": "/hosted", **batched, "name": "hosted", "runner": runner},
            {"endpoint": "/job", "name": "job", "callable": one, "job": True},
            {
                "endpoint": "/streamed",
                "name": "streamed",
                "callable": streamed,
                "methods": ["GET"],
                "runner": True,
            },
        ]
    )
    (Path(os.environ["LOADED"]) / str(os.getpid())).touch()
    return made
