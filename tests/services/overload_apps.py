"""A service whose routes can be asked for more than they can do."""

from __future__ import annotations

import time

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper

RUN_SECONDS = 0.1
THREADS = 2
BATCH = 2
TIMEOUT = 0.5


def inline(number: int) -> int:
    time.sleep(RUN_SECONDS)
    return number


def batched(number: list[int]) -> list[int]:
    time.sleep(RUN_SECONDS)
    return number


def hosted(number: int) -> int:
    time.sleep(RUN_SECONDS)
    return number


def other(number: int) -> int:
    return number


def app() -> Flask:
    keys = {"timeout": TIMEOUT, "threads": THREADS}
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/inline", "callable": inline, **keys},
            {"endpoint": "/batched", "callable": batched, "batch": {"max_size": BATCH}, **keys},
            {"endpoint": "/hosted", "callable": hosted, "runner": True, **keys},
            {"endpoint": "/other", "callable": other},
        ]
    )
