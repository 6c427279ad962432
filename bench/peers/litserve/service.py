"""The cases on LitServe: one API per server, two API servers, two workers, the fast (ZeroMQ) queue.

Where the model is batched, one worker holds it.
"""

import os
import time
from typing import Any

import litserve as ls
import numpy as np
from article_models import VERDICT, Article, Echo, Verdict
from fastapi import Request

BATCH_SIZE = 64
BATCH_SECONDS = 0.005
BATCH_WAIT_SECONDS = 0.005


class EchoAPI(ls.LitAPI):
    """Returns the request."""

    def setup(self, device: str) -> None:
        """No model to load."""

    def decode_request(self, request: Echo) -> Echo:
        """The validated request."""
        return request

    def predict(self, x: Echo) -> Echo:
        """The same."""
        return x

    def encode_response(self, output: Echo) -> Echo:
        """The same again."""
        return output


class ValidatedAPI(EchoAPI):
    """Returns a constant verdict."""

    def decode_request(self, request: Article) -> Article:
        """The validated request."""
        return request

    def predict(self, x: Article) -> dict[str, object]:
        """The verdict."""
        return VERDICT

    def encode_response(self, output: dict[str, object]) -> Verdict:
        """The validated response."""
        return Verdict.model_validate(output)


class BatchedAPI(EchoAPI):
    """Returns batches unchanged, each after the same time."""

    def predict(self, x: list[Echo]) -> list[Echo]:
        """The same, later."""
        time.sleep(BATCH_SECONDS)
        return x


class FloatsAPI(EchoAPI):
    """Doubles every value."""

    def decode_request(self, request: Request) -> Any:
        """The decoded JSON, as a NumPy array."""
        return np.asarray(request["values"])

    def predict(self, x: Any) -> Any:
        """Twice the array."""
        return x * 2

    def encode_response(self, output: Any) -> dict[str, list[float]]:
        """The array as a list."""
        return {"values": output.tolist()}


class UploadAPI(EchoAPI):
    """Returns the size of a file."""

    def decode_request(self, request: Request) -> bytes:
        """The file's bytes."""
        content: bytes = request["image"].file.read()
        return content

    def predict(self, x: bytes) -> int:
        """How many there are."""
        return len(x)

    def encode_response(self, output: int) -> dict[str, int]:
        """The size by name."""
        return {"size": output}


APIS = {
    "echo": EchoAPI,
    "validated": ValidatedAPI,
    "connections": ValidatedAPI,
    "floats": FloatsAPI,
    "upload": UploadAPI,
    "batched": BatchedAPI,
}
PATHS = {"connections": "/validated"}
BATCHING = {"batched": {"max_batch_size": BATCH_SIZE, "batch_timeout": BATCH_WAIT_SECONDS}}


def main() -> None:
    """Serve the case that BENCH_CASE names."""
    case = os.environ["BENCH_CASE"]
    workers = int(os.environ["BENCH_WORKERS"])
    api = APIS[case](api_path=PATHS.get(case, f"/{case}"), **BATCHING.get(case, {}))
    models = 1 if case in BATCHING else workers
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=models, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["BENCH_PORT"]),
        num_api_servers=workers,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )


if __name__ == "__main__":
    main()
