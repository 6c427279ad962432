"""The cases on this library, as in its README; a case with a runner has its routes alone."""

import asyncio
import gc
import os
import time
from typing import Any

import floats_pb2
import numpy as np
from flask import Flask

from aylien_model_serving import Model
from aylien_model_serving.app_factory import FlaskAppWrapper
from examples import example_schema_pb2

BATCH_SECONDS = 0.005
MODEL_SECONDS = 0.005
CALLS_AT_ONCE = 64
BATCH = {"max_size": 64, "max_wait_ms": 5}
WEIGHTS = 50_000_000  # doubles


def echo(text: str) -> dict[str, str]:
    """Return the request."""
    return {"text": text}


def validated(
    id: str = "",  # noqa: A002 - the field's name in the schema
    title: str = "",
    body: str = "",
    enrichments: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a constant verdict."""
    return {"version": "0.0.1", "language": "en", "confidence": 0.71, "error": "Not an error"}


def floats(values: np.ndarray) -> dict[str, Any]:
    """Double every value."""
    return {"values": values * 2}


def binary(values: np.ndarray) -> dict[str, Any]:
    """Double every value of a protobuf message."""
    return {"values": values * 2}


def upload(image: bytes) -> dict[str, int]:
    """Return the size of a file."""
    return {"size": len(image)}


class Batched:
    """Returns batches unchanged, each after the same time."""

    def __call__(self, text: list[str]) -> list[dict[str, str]]:
        time.sleep(BATCH_SECONDS)
        return [{"text": item} for item in text]


class Digits:
    """Classifies images of digits."""

    def __init__(self) -> None:
        import torch  # only in the replica: web workers stay small
        from digits_model import DigitsModel

        self.tensor = torch.from_numpy
        self.model = DigitsModel()

    def __call__(self, pixels: list[list[float]]) -> list[dict[str, int]]:
        greys = np.array(pixels, np.float32)  # five times as fast as torch with lists of lists
        return [{"digit": digit} for digit in self.model.digits(self.tensor(greys))]


class Weights:
    """A model of 400 MB that returns its size."""

    def __init__(self) -> None:
        self.weights = np.ones(WEIGHTS)

    def __call__(self, text: str) -> dict[str, int]:
        return {"size": self.weights.nbytes}


async def slow_echo(text: str) -> str:
    """Return the request, after the same time."""
    await asyncio.sleep(MODEL_SECONDS)
    return text


first = Model(slow_echo, name="first", threads=CALLS_AT_ONCE)
second = Model(slow_echo, name="second", threads=CALLS_AT_ONCE)


async def composed(text: str) -> dict[str, str]:
    """Call both models at the same time."""
    of_first, of_second = await asyncio.gather(first.call_async(text=text), second.call_async(text=text))
    return {"first": of_first, "second": of_second}


def echo_batch(text: list[str]) -> list[dict[str, str]]:
    """Return the requests of a batch."""
    return [{"text": item} for item in text]


ROUTES: list[dict[str, Any]] = [
    {"endpoint": "/echo", "callable": echo},
    {"endpoint": "/cached", "callable": echo, "name": "cached", "cache": True},
    {"endpoint": "/validated", "callable": validated, "schema": example_schema_pb2},
    {"endpoint": "/floats", "callable": floats},
    {"endpoint": "/binary", "callable": binary, "schema": floats_pb2},
    {"endpoint": "/upload", "callable": upload},
]
ROUTES_OF_RUNNERS: dict[str, list[dict[str, Any]]] = {
    "batched": [{"endpoint": "/batched", "callable": Batched, "runner": True, "batch": BATCH}],
    "digits": [{"endpoint": "/digits", "callable": Digits, "runner": True, "batch": BATCH}],
    "composed": [{"endpoint": "/composed", "callable": composed, "threads": CALLS_AT_ONCE}],
    "overhead": [
        {"endpoint": "/inline", "callable": echo},
        {"endpoint": "/hosted", "callable": echo, "runner": True},
        {"endpoint": "/hosted-batched", "callable": echo_batch, "runner": True, "batch": BATCH},
    ],
    "memory": [{"endpoint": "/weights", "callable": Weights, "runner": True}],
}


def run_app() -> Flask:
    """Return the app with a route per path of the case."""
    routes = ROUTES_OF_RUNNERS.get(os.environ["BENCH_CASE"], ROUTES)
    app = FlaskAppWrapper.create_app([{**route, "methods": ["POST"]} for route in routes])
    gc.collect()
    gc.freeze()  # as the guide recommends for granian; Gunicorn's settings do it by default
    return app
