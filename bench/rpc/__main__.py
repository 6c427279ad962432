"""`python -m bench.rpc`: unary calls by gRPC, of this library and of others, in turn.

One client in a process of its own has 16 calls in flight. It prints the rates of each round, and the medians
of their ratios to the others, and writes nothing. Ray Serve has to be installed beside this library; MLServer
is installed into an environment of its own, as `python -m bench` does.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import grpc
from google.protobuf.source_context_pb2 import SourceContext

from bench import environments, processes
from bench.peers import PEERS
from bench.servers import _free_ports as free_ports

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

IN_FLIGHT = 16
ROUNDS = 5
SECONDS = 4.0
START_SECONDS = 120.0
TEXT = "a text of some words, as short ones are"

_METHOD = "/google.protobuf.ModelService/Echo"


class System(NamedTuple):
    """One system.

    Args:
        title: in the table.
        command: starts its server.
        environ: variables of its own.
        port: of its gRPC server.
        method: the path of the calls.
        request: the message that is sent.
        metadata: that goes with it.
    """

    title: str
    command: list[str]
    environ: Mapping[str, str]
    port: int
    method: str = _METHOD
    request: bytes = SourceContext(file_name=TEXT).SerializeToString()
    metadata: tuple[tuple[str, str], ...] = ()


def systems() -> list[System]:
    """Return the systems, this library first."""
    python = sys.executable
    ours, ours_http, bare, ray, ray_http, ml, ml_http, ml_metrics = map(str, free_ports(8))
    gunicorn = ["gunicorn", "--workers", "1", "--worker-class", "asgi", "--bind", f"127.0.0.1:{ours_http}"]
    mlserver = environments.prepare(
        next(peer for peer in PEERS if peer.name == "mlserver"), environments.DEFAULT_FOLDER
    )
    return [
        System(
            "this library",
            [python, "-m", *gunicorn, "bench.rpc.ours:app"],
            {"MODEL_SERVING_GRPC_PORT": ours},
            int(ours),
        ),
        System("bare grpc.aio", [python, "-m", "bench.rpc.bare", bare], {}, int(bare)),
        System(
            "Ray Serve",
            [python, "-m", "bench.rpc.ray_server", ray, ray_http],
            {"RAY_USAGE_STATS_ENABLED": "0"},
            int(ray),
            metadata=(("application", "bench"),),
        ),
        System(
            "MLServer",
            [str(mlserver.parent / "mlserver"), "start", str(HERE.parent / "peers" / "mlserver" / "rpc")],
            {
                "MLSERVER_HOST": "127.0.0.1",
                "MLSERVER_GRPC_PORT": ml,
                "MLSERVER_HTTP_PORT": ml_http,
                "MLSERVER_METRICS_PORT": ml_metrics,
                "MLSERVER_PARALLEL_WORKERS": "1",
                "MLSERVER_METRICS_ENDPOINT": "",
            },
            int(ml),
            "/inference.GRPCInferenceService/ModelInfer",
            inference_request(TEXT.encode()),
        ),
    ]


def inference_request(text: bytes) -> bytes:
    """Return a ModelInferRequest of one text, by the numbers of its fields (model_name 1, inputs 5)."""
    contents = _field(8, text)  # bytes_contents
    tensor = _field(1, b"text") + _field(2, b"BYTES") + bytes((3 << 3, 1)) + _field(5, contents)
    return _field(1, b"bench") + _field(5, tensor)


def _field(number: int, value: bytes) -> bytes:
    """Return a field of protobuf's whose length is below 128."""
    assert len(value) < 128
    return bytes((number << 3 | 2, len(value))) + value


@contextmanager
def running(system: System) -> Iterator[None]:
    """Run a system's server until the block ends, and wait for its first answer."""
    mark = f"rpc-{system.port}"
    with tempfile.TemporaryDirectory(prefix="rpc-", ignore_cleanup_errors=True) as folder:
        environ = {"PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder, "PYTHONPATH": str(ROOT)}
        with open(Path(folder) / "log", "wb") as log:
            process = subprocess.Popen(
                system.command,
                cwd=folder,
                env={**environ, **system.environ, processes.MARK: mark},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            _wait(system, process, Path(folder) / "log")
            yield
        finally:
            processes.stop(process.pid, mark, 10.0)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10.0)


def _wait(system: System, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with grpc.insecure_channel(f"127.0.0.1:{system.port}") as channel, suppress(grpc.RpcError):
            call = channel.unary_unary(system.method)
            if TEXT.encode() in call(system.request, timeout=5, metadata=system.metadata):
                return
        time.sleep(0.2)
    raise RuntimeError(f"{system.title} has no answer: {log.read_text(errors='replace')[-2000:]}")


async def _rate(system: System, seconds: float) -> float:
    end, count = time.monotonic() + seconds, 0
    async with grpc.aio.insecure_channel(f"127.0.0.1:{system.port}") as channel:
        call = channel.unary_unary(system.method)

        async def ask_on() -> None:
            nonlocal count
            while time.monotonic() < end:
                await call(system.request, timeout=10, metadata=system.metadata)
                count += 1

        await asyncio.gather(*(ask_on() for _ in range(IN_FLIGHT)))
    return count / seconds


def main() -> None:
    """Print the rates, and the medians of their ratios."""
    found: dict[str, list[float]] = {}
    asked = systems()
    for number in range(ROUNDS):
        for system in asked:
            with running(system):
                asyncio.run(_rate(system, 1.0))
                found.setdefault(system.title, []).append(asyncio.run(_rate(system, SECONDS)))
        print(", ".join(f"{title} {rates[number]:,.0f}/s" for title, rates in found.items()), flush=True)
    own = found[asked[0].title]
    for system in asked[1:]:
        ratios = [mine / other for mine, other in zip(own, found[system.title], strict=True)]
        print(f"{asked[0].title} ÷ {system.title}: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
