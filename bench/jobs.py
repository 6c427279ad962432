"""`python -m bench.jobs`: how fast jobs are enqueued, started and finished, and what an idle service costs.

Separate from `python -m bench`: no other server has jobs to compare with. With `--postgres URL`, an empty
database, rounds with a SQLite file and with that database follow each other. It prints medians and the goals,
and writes nothing.
"""

import argparse
import http.client
import json
import os
import statistics
import threading
import time
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import processes
from bench.service import Service, serving

WORKERS = 2
CLIENTS = 4
JOBS = 3000
IDLE_JOBS = 30
IDLE_S = 10.0
BODY = json.dumps({"text": "hello"})

#: The goal of each measurement, by the name that is printed.
GOALS = {
    "enqueue p50": "at most 3 ms",
    "start of an idle replica p50": "at most 20 ms",
    "end to end": "at least 300 jobs/s",
    "idle": "under 1 % of a core",
}

UNITS = {
    "enqueue p50": "ms",
    "start of an idle replica p50": "ms",
    "end to end": "jobs/s",
    "idle": "% of a core",
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


def jobs_service(url: str) -> AbstractContextManager[Service]:
    """Serve the app until the block ends.

    Args:
        url: of the store.
    """
    args = ["--worker-class", "gthread", "--threads", "8", "--workers", str(WORKERS)]
    environ = {"MODEL_SERVING_JOBS_URL": url, "MODEL_SERVING_SERVICE_NAME": "bench"}
    return serving("bench.jobs_app:app()", args, environ)


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


def measure(url: str) -> dict[str, float]:
    """Return the figures of one store, by the names of GOALS."""
    with jobs_service(url) as (port, pid, mark):
        return {
            "start of an idle replica p50": measure_start(port),
            "enqueue p50": measure_enqueue(port),
            "end to end": measure_rate(port),
            "idle": measure_idle(pid, mark),
        }


def main() -> None:
    """Measure everything, and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--postgres", metavar="URL", help="an empty database to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    urls = {"SQLite": "sqlite:///{folder}/jobs.sqlite3"}
    if options.postgres:
        urls["PostgreSQL"] = options.postgres
    found: dict[str, list[dict[str, float]]] = {store: [] for store in urls}
    for _ in range(options.rounds):
        for store, url in urls.items():
            found[store].append(measure(url))
    for store, rounds in found.items():
        for name, unit in UNITS.items():
            median = statistics.median(figures[name] for figures in rounds)
            print(f"{store:12} {name:30} {median:>10.2f} {unit:12} goal: {GOALS[name]}")


if __name__ == "__main__":
    main()
