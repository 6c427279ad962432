"""A service of every kind of route, and the file in which its monitoring leaves what it has collected."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from flask import Flask, Response

from aylien_model_serving.app_factory import FlaskAppWrapper

_lock = threading.Lock()


def collect(**found: Any) -> None:
    """Add a line to the file that the test reads: what a tool would send of one request, or of one error."""
    with _lock, Path(os.environ["COLLECTED"]).open("a") as file:
        file.write(json.dumps(found) + "\n")


def echo(text: str) -> dict[str, str]:
    return {"text": text}


def describe(name: str, text: str) -> dict[str, str]:
    return {"name": name, "text": text}


def fail(text: str) -> dict[str, str]:
    raise LookupError(f"no {text}")


def see() -> dict[str, str]:
    return {"seen": "yes"}


def fail_in_view() -> Response:
    raise LookupError("no view")


def fail_in_process_json() -> Response:
    response: Response = FlaskAppWrapper.process_json(fail)
    return response


def create() -> Flask:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/echo", "callable": echo, "methods": ["POST"]},
            {"endpoint": "/fail", "callable": fail, "methods": ["POST"]},
            {"endpoint": "/items/<name>", "callable": describe, "methods": ["POST"]},
            {"endpoint": "/cached", "callable": echo, "methods": ["POST"], "cache": True, "name": "cached"},
            {"endpoint": "/view", "callable": see, "methods": ["GET"]},
            {"endpoint": "/failing-view", "callable": fail_in_view, "methods": ["GET"]},
            {"endpoint": "/process-json", "callable": fail_in_process_json, "methods": ["POST"]},
        ]
    )
