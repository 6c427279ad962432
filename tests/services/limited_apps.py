"""Services with limits that the tests start in processes of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from tests.services.apps import echo, name_worker, wait_at_gate

LIMIT = {"rate": "20/day"}


def count_slowly(number: int) -> Iterator[int]:
    for item in range(number):
        time.sleep(0.01)
        yield item


def limited() -> Flask:
    """Return a service whose cache is what the environment says."""
    cache = {name: value for name, value in os.environ.items() if name.startswith("CACHE_")}
    return FlaskAppWrapper.create_app(_routes(), cache)


def _routes() -> list[dict[str, Any]]:
    return [
        {"endpoint": "/", "callable": echo, "limit": LIMIT},
        {"endpoint": "/other", "callable": echo, "name": "other", "limit": LIMIT},
        {"endpoint": "/worker", "callable": name_worker},
        {"endpoint": "/stream", "callable": count_slowly, "limit": {"concurrent": 1}},
        {"endpoint": "/gate", "callable": wait_at_gate, "limit": {"concurrent": 1}},
    ]


def hosted() -> Flask:
    """Return a service whose replica is behind a limit."""
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/", "callable": echo, "runner": True, "limit": LIMIT, "warmup": {"text": "a"}}]
    )
