"""Services that the tests of the client call; the environment says what a service keeps its jobs in."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from flask import Flask, Response, redirect, request

import examples.example_schema_pb2 as schema
from aylien_model_serving import Body, FlaskAppWrapper, InvalidRequest, JobProgress, MediaFile
from aylien_model_serving.errors import NotFound, Unavailable


def classify(text: str, top: int = 3) -> dict[str, Any]:
    """Find the labels of a text.

    Args:
        text: what to read.
        top: how many labels at most.
    """
    if text == "refuse":
        raise InvalidRequest("not this text")
    if text == "gone":
        raise NotFound("There is no such text")
    if text == "break":
        raise ValueError("a secret")
    return {"text": text, "top": top}


@dataclass
class Flower:
    """A flower.

    Args:
        petal: in centimetres.
    """

    petal: float
    kind: str = "iris"


def measure_flower(flower: Flower) -> str:
    return f"{flower.kind}: {flower.petal}"


def total(lang: str, numbers: Annotated[list[int], Body()]) -> list[Any]:
    return [lang, sum(numbers)]


def look(file: Annotated[MediaFile, Body()]) -> list[Any]:
    return [file.content_type, len(file.content)]


def translate(lang: str, text: str) -> list[str]:
    return [lang, text]


def measure(file: MediaFile, others: list[MediaFile] | None = None, factor: int = 1, note: Any = None) -> Any:
    sizes = [len(each.content) * factor for each in (file, *(others or []))]
    return {"sizes": sizes, "name": file.file_name, "type": file.content_type, "note": note}


def give_back(file: MediaFile) -> MediaFile:
    return file


def view_files() -> Response:
    upload = request.files["file"]
    return Response(
        upload.read(), content_type="image/png", headers={"Content-Disposition": "inline; filename=a.png"}
    )


def say_where() -> dict[str, int]:
    return {"pid": os.getpid()}


def count(number: int, pause: float = 0.0, diary: str = "") -> Iterator[dict[str, int]]:
    """Count up, and write down how it ended."""
    try:
        for step in range(number):
            if step == 3 and pause < 0:
                raise InvalidRequest("no further")
            yield {"step": step}
            time.sleep(max(pause, 0))
    finally:
        if diary:
            Path(diary).write_text("ended")


def fry(job_progress: JobProgress, name: str, gate: str = "") -> str:
    """Make fries.

    Args:
        name: what they are called.
    """
    job_progress.set_status(0.25, f"peeling for {name}")
    if gate:
        Path(gate, "entered").touch()
    while gate and not Path(gate, "open").exists():
        job_progress.set_status(0.25)
        time.sleep(0.01)
    if name == "burnt":
        raise InvalidRequest("no such fries")
    return f"{name} fries"


def detect(title: str = "", **rest: Any) -> dict[str, Any]:
    return {"version": "1", "language": title, "confidence": 0.5}


def busy_once(marker: str) -> dict[str, bool]:
    """Refuse the first call of each marker."""
    if not Path(marker).exists():
        Path(marker).touch()
        raise Unavailable("The model is being loaded", retry_after=1)
    return {"done": True}


def sleep(seconds: float) -> dict[str, float]:
    time.sleep(seconds)
    return {"seconds": seconds}


def make_app() -> Flask:
    """Return a service with a route of every kind."""
    both = ["GET", "POST"]
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/classify", "callable": classify, "methods": both},
            {"endpoint": "/v1/<lang>/translate", "callable": translate, "methods": both},
            {"endpoint": "/flower", "callable": measure_flower, "name": "flower", "methods": both},
            {"endpoint": "/<lang>/total", "callable": total},
            {"endpoint": "/look", "callable": look},
            {"endpoint": "/measure", "callable": measure},
            {"endpoint": "/give-back", "callable": give_back},
            {"endpoint": "/view-files", "callable": view_files, "methods": ["POST"]},
            {"endpoint": "/where", "callable": say_where, "threads": 4},
            {"endpoint": "/count", "callable": count, "methods": both, "threads": 8},
            {"endpoint": "/numbers", "callable": count, "name": "numbers", "job": True},
            {"endpoint": "/fry", "callable": fry, "job": {"queue_size": 50}},
            {"endpoint": "/busy", "callable": busy_once},
            {"endpoint": "/sleep", "callable": sleep, "threads": 8},
            {"endpoint": "/detect", "callable": detect, "schema": schema},
        ]
    )
    app.add_url_rule("/moved", "moved", lambda: redirect("http://127.0.0.2:9/"))
    return app
