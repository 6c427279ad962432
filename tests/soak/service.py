"""A service with a route for each thing that a request can leave behind; it tells what it has in use."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Iterator

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.media import MediaFile

#: The text at which a process says what it has in use.
LOOK = "look"

MEASURE, HOSTED, JOB = "/measure", "/hosted", "/job"


def measure(text: str) -> dict[str, int]:
    return in_use() if text == LOOK else {"length": len(text)}


class MallInfo(ctypes.Structure):
    """The C library's `struct mallinfo2`; mallinfo(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def in_use() -> dict[str, int]:
    """Return the bytes that the C library has given to this process, and the blocks that Python has.

    Resident memory can't tell: most of a warm worker's is free, and kept for what comes next.
    """
    gc.collect()
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = MallInfo
    info = mallinfo()
    return {"bytes": info.uordblks + info.hblkhd, "blocks": sys.getallocatedblocks()}


def measure_file(file: MediaFile) -> dict[str, int]:
    return {"length": len(file.content)}


def count(items: int) -> Iterator[int]:
    for item in range(items):
        time.sleep(0.001)
        yield item


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def service() -> Flask:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": MEASURE, "callable": measure},
            {"endpoint": HOSTED, "callable": measure, "name": "hosted", "runner": True},
            {"endpoint": JOB, "callable": measure, "name": "job", "job": {"keep": 5}},
            {"endpoint": "/file", "callable": measure_file},
            {"endpoint": "/count", "callable": count},
            {"endpoint": "/sleep", "callable": sleep},
            {"endpoint": "/limited", "callable": measure, "name": "limited", "limit": {"rate": "1/day"}},
        ]
    )
