"""Calls a service by the clients of Triton, and prints what they got: `… http-port grpc-port`."""

import asyncio
import json
import queue
import sys
import time
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio

TEXT = np.array(["hällo".encode()], dtype=object)
TEXTS = np.array([b"a", b"bb", b"ccc"], dtype=object)
#: Seconds that models may take to load on a busy machine, and between two looks.
SECONDS, POLL_SECONDS = 60, 0.1

ROWS = np.arange(4, dtype=np.float32).reshape(2, 2)


def tensor(kind: Any, name: str, array: Any, datatype: str, **options: Any) -> Any:
    made = kind.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **options)
    return made


def refusal(call: Any) -> str:
    try:
        call()
    except tritonclient.utils.InferenceServerException as error:
        return str(error.message())
    return "none"


def becomes_ready(client: Any) -> bool:
    """Wait for the models and the gRPC server, which are in processes of their own."""
    until = time.monotonic() + SECONDS
    while not is_ready(client):
        if time.monotonic() > until:
            return False
        time.sleep(POLL_SECONDS)
    return True


def is_ready(client: Any) -> bool:
    try:
        return bool(client.is_server_ready() and client.is_model_ready("embed"))
    except tritonclient.utils.InferenceServerException:
        return False


def by_http(port: str) -> dict[str, Any]:
    kind = tritonclient.http
    client = kind.InferenceServerClient(f"127.0.0.1:{port}")
    text = tensor(kind, "text", TEXT, "BYTES")
    plain = tensor(kind, "text", TEXT, "BYTES", binary_data=False)
    wanted = [kind.InferRequestedOutput("score", binary_data=False)]
    classified = client.infer("classify", [text], request_id="seven", model_version="1")
    return {
        "ready": becomes_ready(client),
        "live": client.is_server_live(),
        "server": client.get_server_metadata()["extensions"],
        "model": client.get_model_metadata("classify"),
        "index": sorted(each["name"] for each in client.get_model_repository_index()),
        "id": classified.get_response()["id"],
        "label": classified.as_numpy("label")[0].decode(),
        "again": client.infer("classify", [text], request_id="eight").get_response()["id"],
        "outputs": client.infer("classify", [plain], outputs=wanted).get_response()["outputs"],
        "scaled": client.infer("scale", [tensor(kind, "x", ROWS, "FP32")]).as_numpy("output").tolist(),
        "embedded": client.infer("embed", [tensor(kind, "texts", TEXTS, "BYTES")])
        .as_numpy("output")
        .tolist(),
        "unknown": refusal(lambda: client.infer("nothing", [text])),
        "misfit": refusal(lambda: client.infer("classify", [tensor(kind, "text", ROWS, "FP32")])),
    }


def by_grpc(port: str) -> dict[str, Any]:
    kind = tritonclient.grpc
    client = kind.InferenceServerClient(f"127.0.0.1:{port}")
    rows = tensor(kind, "x", ROWS, "FP32")
    scaled = client.infer("scale", [rows], request_id="seven")
    metadata = client.get_model_metadata("classify", as_json=True)
    return {
        "ready": becomes_ready(client),
        "live": client.is_server_live(),
        "inputs": [each["name"] for each in metadata["inputs"]],
        "index": sorted(each.name for each in client.get_model_repository_index().models),
        "id": scaled.get_response().id,
        "scaled": scaled.as_numpy("output").tolist(),
        "embedded": client.infer("embed", [tensor(kind, "texts", TEXTS, "BYTES")])
        .as_numpy("output")
        .tolist(),
        "unknown": refusal(lambda: client.infer("nothing", [rows])),
        "stream": by_stream(client, rows),
    }


def by_stream(client: Any, rows: Any) -> list[Any]:
    answers: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for name in ("scale", "nothing", "scale"):
        client.async_stream_infer(name, [rows])
    found = [answers.get(timeout=60) for _ in range(3)]
    client.stop_stream()
    return [str(error.message()) if error else result.as_numpy("output").tolist() for result, error in found]


async def by_asyncio(http_port: str, grpc_port: str) -> list[Any]:
    found = []
    for kind, port in ((tritonclient.http, http_port), (tritonclient.grpc, grpc_port)):
        client = kind.aio.InferenceServerClient(f"127.0.0.1:{port}")
        rows = tensor(kind, "x", ROWS, "FP32")
        answers = await asyncio.gather(*(client.infer("scale", [rows]) for _ in range(5)))
        found += [answer.as_numpy("output").tolist() for answer in answers]
        await client.close()
    return found


if __name__ == "__main__":
    ports = sys.argv[1:3]
    sys.stdout.write(json.dumps([by_http(ports[0]), by_grpc(ports[1]), asyncio.run(by_asyncio(*ports))]))
