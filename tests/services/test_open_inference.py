"""Models of the Open Inference Protocol, called by the clients that its servers' own field wrote."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.services.serving import PROJECT, free_port, serve
from tests.with_inference_clients import find_program

pytestmark = [pytest.mark.processes, pytest.mark.full]

#: Seconds that a client's program may take on a busy machine, its imports included.
_SECONDS = 100

CLIENTS = PROJECT / "tests" / "services" / "inference_clients"
NAMES = ["classify", "describe", "embed", "scale"]
SCALED = [[0.0, 2.0], [4.0, 6.0]]
EMBEDDED = [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]
UNKNOWN = "There is no model 'nothing': there are classify, embed, scale, describe"


class Ports(NamedTuple):
    http: int
    grpc: int


@pytest.fixture(scope="module", params=["asgi", "gthread", "gevent"])
def ports(request: pytest.FixtureRequest) -> Iterator[Ports]:
    port = free_port()
    settings = {"MODEL_SERVING_GRPC_PORT": str(port), "MODEL_SERVING_OIP": "1"}
    with serve(
        "tests.services.inference_apps:app", worker_class=request.param, workers=1, env=settings
    ) as running:
        yield Ports(int(running.url.rpartition(":")[2]), port)


def printed_by(environment: str, program: str, ports: Ports) -> Any:
    python = find_program(environment)
    command = [python, CLIENTS / program, str(ports.http), str(ports.grpc)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_clients_of_triton_call_models(ports: Ports) -> None:
    by_http, by_grpc, by_asyncio = printed_by("tritonclient", "triton.py", ports)

    assert by_http == {
        "live": True,
        "ready": True,
        "server": ["binary_tensor_data"],
        "model": {
            "name": "classify",
            "versions": ["1"],
            "platform": "model-serving",
            "inputs": [
                {"name": "text", "datatype": "BYTES", "shape": [1]},
                {"name": "top", "datatype": "INT64", "shape": [1]},
            ],
            "outputs": [
                {"name": "label", "datatype": "BYTES", "shape": [1]},
                {"name": "score", "datatype": "FP64", "shape": [1]},
            ],
        },
        "index": NAMES,
        "id": "seven",
        "label": "HÄLLO",
        "again": "eight",
        "outputs": [{"name": "score", "datatype": "FP64", "shape": [1], "data": [0.5]}],
        "scaled": SCALED,
        "embedded": EMBEDDED,
        "unknown": UNKNOWN,
        "misfit": "input 'text': one element is expected, not 4",
    }
    assert by_grpc == {
        "live": True,
        "ready": True,
        "inputs": ["text", "top"],
        "index": NAMES,
        "id": "seven",
        "scaled": SCALED,
        "embedded": EMBEDDED,
        "unknown": UNKNOWN,
        "stream": [SCALED, UNKNOWN, SCALED],
    }
    assert by_asyncio == [SCALED] * 10


def test_kserves_clients_call_models(ports: Ports) -> None:
    found = printed_by("kserve", "kserve_client.py", ports)

    assert found == {
        "live": [True, True],
        "ready": [True, True],
        "model": [True, True],
        "bytes": ["seven", SCALED],
        "json": ["seven", SCALED],
        "grpc": ["seven", SCALED],
    }


def test_mlservers_command_infers(ports: Ports, tmp_path: Path) -> None:
    command = find_program("mlserver", "mlserver")
    given, got = tmp_path / "given.jsonl", tmp_path / "got.jsonl"
    inputs = [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["hello"]}]
    given.write_text("".join(f"{json.dumps({'id': name, 'inputs': inputs})}\n" for name in "ab"))

    options = ["-u", f"127.0.0.1:{ports.http}", "-m", "classify", "-i", str(given), "-o", str(got), "-w", "1"]
    done = subprocess.run([command, "infer", *options], capture_output=True, timeout=_SECONDS, check=False)

    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in got.read_text().splitlines()]
    assert {answer["id"]: answer["outputs"][0]["data"] for answer in answers} == {
        "a": ["HELLO"],
        "b": ["HELLO"],
    }
