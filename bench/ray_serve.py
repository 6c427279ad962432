"""`python -m bench.ray_serve`: calls of a model on Ray Serve, relative to those of a replica of this machine.

It starts a Ray node of its own on the loopback, and ends it. 32 clients ask both in turn; it prints the rates
of each round and the median of their ratios, and writes nothing. Needs `pip install 'model-serving[ray]'`.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bench.service import ROOT, serving

CLIENTS = 32
ROUNDS = 5
SECONDS = 4.0
GOAL = 0.7

_ADDRESS, _PORT = "127.0.0.2", 26379
_BODY = json.dumps({"text": "hello"})


@contextmanager
def ray_node() -> Iterator[dict[str, str]]:
    """Run a head until the block ends, and yield the variables of a service that uses it."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        options = {
            "node-ip-address": _ADDRESS,
            "port": _PORT,
            "ray-client-server-port": _PORT + 1,
            "num-cpus": 2,
            "object-store-memory": 100_000_000,
            "include-dashboard": "false",
            "temp-dir": folder,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        program = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *words]
        environ = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
        quiet = subprocess.DEVNULL
        node = subprocess.Popen(program, env=environ, stdout=quiet, stderr=quiet, start_new_session=True)
        try:
            yield {
                "MODEL_SERVING_RAY_ADDRESS": f"{_ADDRESS}:{_PORT}",
                "MODEL_SERVING_SERVICE_NAME": "bench",
                "MODEL_SERVING_VERSION": "1",
            }
        finally:
            node.terminate()  # it ends what it has started
            with suppress(subprocess.TimeoutExpired):
                node.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGKILL)


def deploy(environ: dict[str, str]) -> None:
    """Deploy the service's model, once the node is there."""
    program = [sys.executable, "-m", "aylien_model_serving", "ray", "deploy", "bench.ray_app:app()"]
    deadline = time.monotonic() + 120
    while subprocess.run(program, env={**os.environ, **environ}, cwd=ROOT, check=False).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError("the model can't be deployed")
        time.sleep(1)


def measure_rate(port: int, path: str) -> float:
    """Return how many calls are answered in a second."""
    counts: list[int] = []
    threads = [threading.Thread(target=_ask_on, args=(port, path, counts)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def _ask_on(port: int, path: str, counts: list[int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    end, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        connection.request("POST", path, _BODY, {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{path} returned {response.status}: {response.read()!r}")
        response.read()
        count += 1
    counts.append(count)


def main() -> None:
    """Print the rates and their ratio."""
    args = ["--worker-class", "asgi", "--workers", "1"]
    with ray_node() as environ:
        deploy(environ)
        with serving("bench.ray_app:app()", args, environ) as service:
            ratios = []
            for path in ("/local", "/ray"):
                measure_rate(service.port, path)
            for _ in range(ROUNDS):
                local, ray = measure_rate(service.port, "/local"), measure_rate(service.port, "/ray")
                ratios.append(ray / local)
                print(f"local {local:,.0f}/s, ray {ray:,.0f}/s, ratio {ratios[-1]:.2f}")
    found = statistics.median(ratios)
    print(f"median {found:.2f}; goal at least {GOAL}: {'reached' if found >= GOAL else 'not reached'}")


if __name__ == "__main__":
    main()
