"""The cases on mosec: two workers behind its Rust front; msgspec validates, as in mosec's own typed mixin."""

import os
import sys
import time
from typing import Any

import msgspec
import numpy as np
from mosec import Runtime, Server, Worker

BATCH_SIZE = 64
BATCH_SECONDS = 0.005
BATCH_WAIT_MS = 5


class Value(msgspec.Struct):
    """The innermost message."""

    body: str = ""


class Enrichment(msgspec.Struct):
    """One level further out."""

    value: Value | None = None


class Enrichments(msgspec.Struct):
    """And one more."""

    extracted: Enrichment | None = None


class Article(msgspec.Struct):
    """The validated request."""

    id: str = ""
    title: str = ""
    body: str = ""
    enrichments: Enrichments | None = None


class Echo(msgspec.Struct):
    """A text, unchanged."""

    text: str


class Verdict(msgspec.Struct):
    """The validated response."""

    version: str = ""
    language: str = ""
    confidence: float = 0.0
    error: str | None = None


class EchoWorker(Worker):
    """Returns the request, with mosec's own JSON codec."""

    def forward(self, data: Any) -> Any:
        """The same."""
        return data


class ValidatedWorker(Worker):
    """Returns a constant verdict."""

    def deserialize(self, data: bytes) -> Article:
        """The validated request."""
        return msgspec.json.decode(data, type=Article)

    def forward(self, data: Article) -> dict[str, object]:
        """The verdict."""
        return {"version": "0.0.1", "language": "en", "confidence": 0.71, "error": "Not an error"}

    def serialize(self, data: dict[str, object]) -> bytes:
        """The validated response."""
        return msgspec.json.encode(msgspec.convert(data, Verdict))


class BatchedWorker(Worker):
    """Returns batches unchanged, each after the same time."""

    def deserialize(self, data: bytes) -> Echo:
        """The validated request."""
        return msgspec.json.decode(data, type=Echo)

    def forward(self, data: list[Echo]) -> list[Echo]:
        """The same, later."""
        time.sleep(BATCH_SECONDS)
        return data

    def serialize(self, data: Echo) -> bytes:
        """The response, of the request's type."""
        return msgspec.json.encode(data)


class FloatsWorker(Worker):
    """Doubles every value of a JSON array."""

    def deserialize(self, data: bytes) -> Any:
        """A NumPy array."""
        return np.asarray(msgspec.json.decode(data)["values"])

    def forward(self, data: Any) -> Any:
        """Twice the array."""
        return data * 2

    def serialize(self, data: Any) -> bytes:
        """The array as a list."""
        return msgspec.json.encode({"values": data.tolist()})


class BinaryWorker(FloatsWorker):
    """Doubles every value of an array of bytes."""

    resp_mime_type = "application/octet-stream"

    def deserialize(self, data: bytes) -> Any:
        """A NumPy array that shares the body's memory."""
        return np.frombuffer(data, "<f8")

    def serialize(self, data: Any) -> bytes:
        """The array's bytes."""
        content: bytes = data.tobytes()
        return content


ROUTES: dict[str, dict[str, type[Worker]]] = {
    "echo": {"/echo": EchoWorker},
    "validated": {"/validated": ValidatedWorker},
    "connections": {"/validated": ValidatedWorker},
    "floats": {"/floats": FloatsWorker, "/binary": BinaryWorker},
    "batched": {"/batched": BatchedWorker},
}


def main() -> None:
    """Serve the case that BENCH_CASE names."""
    sys.argv += ["--address", "127.0.0.1", "--port", os.environ["BENCH_PORT"], "--log-level", "error"]
    server = Server()
    routes = ROUTES[os.environ["BENCH_CASE"]]
    server.register_runtime({path: [_runtime(worker)] for path, worker in routes.items()})
    server.run()


def _runtime(worker: type[Worker]) -> Runtime:
    """Return the workers of the case, or one that batches."""
    if worker is BatchedWorker:
        return Runtime(worker, num=1, max_batch_size=BATCH_SIZE, max_wait_time=BATCH_WAIT_MS)
    return Runtime(worker, num=int(os.environ["BENCH_WORKERS"]))


if __name__ == "__main__":
    main()
