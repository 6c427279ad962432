"""`python -m bench.jobs`: how fast jobs are enqueued, started and finished, and what an idle service costs.

Separate from `python -m bench`: no other server has jobs to compare with. It prints what it measures and the
goals, and writes nothing.
"""

import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import processes

HERE = Path(__file__).parent
WORKERS = 2
CLIENTS = 4
JOBS = 3000
IDLE_JOBS = 30
IDLE_S = 10.0
START_S = 60.0
STOP_S = 10.0
BODY = json.dumps({"text": "hello"})

#: The goal of each measurement, by the name that is printed.
GOALS = {
    "enqueue p50": "at most 3 ms",
    "start of an idle replica p50": "at most 20 ms",
    "end to end": "at least 300 jobs/s",
    "idle": "under 1 % of a core",
}


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def request(self, method: str, path: str, body: str | None = None) -> Any:
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path} returned {response.status}: {content!r}")
        return json.loads(content) if content.startswith(b"{") else content

    def enqueue(self) -> tuple[str, float]:
        """Return a job's id, and the seconds that enqueueing it took."""
        start = time.perf_counter()
        job_id = self.request("POST", "/nothing", BODY)["job_id"]
        return job_id, time.perf_counter() - start


@contextmanager
def serving() -> Iterator[tuple[int, int, str]]:
    """Serve the app until the block ends; yield port, process id and mark."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
    mark = secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="bench-jobs-") as folder:
        environ = os.environ | {
            "MODEL_SERVING_JOBS_URL": f"sqlite:///{folder}/jobs.sqlite3",
            "PYTHONPATH": str(HERE.parent),
            "TMPDIR": folder,
            processes.MARK: mark,
        }
        command = [sys.executable, "-m", "gunicorn", "--config", str(HERE.parent / "gunicorn.conf.py")]
        command += ["--worker-class", "gthread", "--threads", "8", "--workers", str(WORKERS)]
        command += ["--bind", f"127.0.0.1:{port}", "--log-level", "error", "bench.jobs_app:app()"]
        server = subprocess.Popen(command, cwd=folder, env=environ, start_new_session=True)
        try:
            _wait_until_ready(port)
            yield port, server.pid, mark
        finally:
            processes.stop(server.pid, mark, STOP_S)
            server.wait()


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            Client(port).request("GET", "/readyz")
            return
        except (OSError, http.client.HTTPException, RuntimeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def measure_start(port: int) -> float:
    """Return the median milliseconds from a job's creation to its start, one job at a time."""
    client = Client(port)
    found = []
    for _ in range(IDLE_JOBS):
        job_id, _ = client.enqueue()
        metrics = client.request("GET", f"/status/{job_id}?wait=10")["metrics"]
        created, started = (datetime.fromisoformat(metrics[key]) for key in ("created_at", "started_at"))
        found.append((started - created).total_seconds() * 1000)
    return statistics.median(found)


def measure_enqueue(port: int) -> float:
    """Return the median milliseconds that one client waits for its 202."""
    client = Client(port)
    return statistics.median(client.enqueue()[1] for _ in range(IDLE_JOBS * 10)) * 1000


def measure_rate(port: int) -> float:
    """Return the jobs that are enqueued and finished per second."""
    start = time.perf_counter()
    threads = [threading.Thread(target=_enqueue_many, args=(port,)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client = Client(port)
    while any(
        client.request("GET", f"/jobs?status={status}&limit=1")["jobs"] for status in ("queued", "processing")
    ):
        time.sleep(0.02)
    return JOBS / (time.perf_counter() - start)


def _enqueue_many(port: int) -> None:
    client = Client(port)
    for _ in range(JOBS // CLIENTS):
        client.enqueue()


def measure_idle(pid: int, mark: str) -> float:
    """Return the per cent of a core that all processes of the service use without any request."""
    time.sleep(1.0)
    before = _cpu_seconds(pid, mark)
    time.sleep(IDLE_S)
    return (_cpu_seconds(pid, mark) - before) / IDLE_S * 100


def _cpu_seconds(pid: int, mark: str) -> float:
    """Return the processor time of a service so far: fields 14 and 15 of proc(5) stat."""
    ticks = 0
    for member in processes.members(pid, mark):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure everything, and print it."""
    with serving() as (port, pid, mark):
        found = {
            "start of an idle replica p50": f"{measure_start(port):.1f} ms",
            "enqueue p50": f"{measure_enqueue(port):.2f} ms",
            "end to end": f"{measure_rate(port):.0f} jobs/s",
            "idle": f"{measure_idle(pid, mark):.2f} % of a core",
        }
    for name, value in found.items():
        print(f"{name:30} {value:>20}   goal: {GOALS[name]}")


if __name__ == "__main__":
    main()
