"""A service for the command line's tests: each kind of answer once."""

import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from aylien_model_serving import Body, MediaFile
from aylien_model_serving.app_factory import InvalidRequest
from aylien_model_serving.jobs.progress import JobProgress
from aylien_model_serving.service import Service

app = Service("commands")


@app.endpoint("/add")
def add(
    a: int,
    b: float = 0.5,
    on: bool = True,
    tag: str = "",
    kind: Literal["x", "y"] = "x",
    many: list[int] | None = None,
) -> dict:
    if a < 0:
        raise InvalidRequest("a is below zero")
    return {"sum": a + b, "on": on, "tag": tag, "kind": kind, "many": many}


@app.endpoint("/total")
def total(numbers: Annotated[list[int], Body()]) -> int:
    return sum(numbers)


@app.endpoint("/measure")
def measure(file: Annotated[MediaFile, Body()]) -> int:
    return len(file.content)


@app.endpoint("/users/<int:user>/greet", methods=["GET"])
def greet(user: int, word: str = "hi") -> str:
    return f"{word} {user}"


@app.endpoint("/spell", methods=["GET", "POST"])
def spell(text: str) -> Iterator[dict]:
    yield from ({"letter": letter} for letter in text)


@app.endpoint("/copy")
def copy(file: MediaFile, name: str = "copy.txt") -> MediaFile:
    return MediaFile.from_bytes(file.content.upper(), file_name=name)


#: What forges a line, or commands a terminal.
UNSAFE = "a\x1b[31mb\x9bc\u2028d\u202ee\nf\rg\x07"


@app.endpoint("/unsafe")
def unsafe(kind: Literal["text", "object", "file", "error"]) -> Any:
    if kind == "error":
        raise InvalidRequest(UNSAFE)
    if kind == "file":
        return MediaFile.from_bytes(b"content", file_name=UNSAFE)
    return UNSAFE if kind == "text" else {UNSAFE: [UNSAFE]}


@app.endpoint("/unsafe-items")
def unsafe_items() -> Iterator[str]:
    yield UNSAFE


@app.task_endpoint("/bake", queue_size=7)
def bake(job_progress: JobProgress, name: str) -> str:
    job_progress.set_status(0.5, "half way")
    if name == "poison":
        job_progress.set_status(0.6, UNSAFE)
        raise InvalidRequest(UNSAFE)
    if name == "stone":
        raise InvalidRequest("nobody eats stones")
    while name == "slow":  # until it is cancelled
        job_progress.set_status(0.7, "slowly")
        time.sleep(0.02)
    time.sleep(0.1)
    return f"{name} is done"
