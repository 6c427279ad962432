"""Services that the tests start in processes of their own; each takes what varies from the environment."""

import itertools
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper

POLL_SECONDS = 0.01
GATE_SECONDS = 30.0

logger = logging.getLogger("service.model")
runs = itertools.count(1)


def echo(text: str) -> dict[str, Any]:
    return {"text": text}


def everything(**fields: Any) -> dict[str, Any]:
    return fields


def name_worker(text: str = "") -> dict[str, Any]:
    return {"worker": os.getpid()}


def wait_at_gate(folder: str) -> dict[str, Any]:
    """Tell that the call is running, and return once the test opens the gate."""
    gate = Path(folder)
    (gate / "entered").touch()
    deadline = time.monotonic() + GATE_SECONDS
    while not (gate / "open").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the gate stayed shut")
        time.sleep(POLL_SECONDS)
    return {"worker": os.getpid()}


def complain(text: str, a: str = "") -> dict[str, Any]:
    logger.warning("complaining about %s", text)
    raise ValueError(f"no way with {text}")


def count_runs(text: str) -> dict[str, Any]:
    """Answer with what tells one run of the handler from every other."""
    return {"text": text, "run": f"{os.getpid()}-{next(runs)}"}


def answering() -> Flask:
    """Return a service without a cache."""
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/", "callable": echo},
            {"endpoint": "/everything", "callable": everything},
            {"endpoint": "/worker", "callable": name_worker},
            {"endpoint": "/gate", "callable": wait_at_gate},
            {"endpoint": "/complain", "callable": complain},
        ]
    )


def answering_with_hook() -> Flask:
    """Return the same service with a hook, for which every request takes Flask's whole way."""
    app = answering()
    app.after_request(leave_as_it_is)
    return app


def leave_as_it_is(response: Response) -> Response:
    return response


def cached() -> Flask:
    """Return a service whose one route has the `cache` key."""
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/", "callable": count_runs, "cache": True}], config=cache_config(os.environ)
    )


def cached_view() -> Flask:
    """Return a service whose one view calls the caching `process_json`."""

    def view() -> Response:
        return CachedFlaskAppWrapper.process_json(count_runs)

    return CachedFlaskAppWrapper.create_app([{"endpoint": "/", "callable": view}], cache_config(os.environ))


def cache_config(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return flask-caching's configuration as the variables that start with CACHE_ give it."""
    found: dict[str, Any] = {name: value for name, value in environ.items() if name.startswith("CACHE_")}
    return found | {name: int(found[name]) for name in ("CACHE_DEFAULT_TIMEOUT",) if name in found}
