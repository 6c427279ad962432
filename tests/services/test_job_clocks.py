"""The wall clock is stepped under a service with jobs: none fails, runs twice, or took less than nothing."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.selection import matrix
from tests.services.hosts import gone_in_the_end, replicas
from tests.services.job_hosts import end_of, enqueue, entered, look
from tests.services.raw_http import ask, get
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

APP = "tests.services.stepped_apps:working()"

#: Seconds that a job of a test takes at most, on however busy a machine.
A_WHILE = 600.0

TIMES = ("created_at", "queued_at", "started_at", "finished_at")


@contextmanager
def serving(folder: Path, server: str, step: Path) -> Iterator[Service]:
    env = {"MODEL_SERVING_JOBS_URL": f"sqlite:///{folder}/jobs.sqlite3", "CLOCK_STEP": str(step)}
    with gone_in_the_end(serve(APP, worker_class=server, workers=1, env=env)) as service:
        service.wait_until(lambda: [it["state"] for it in replicas(service, "work")] == ["ready"] * 2)
        yield service


def took_its_time(job: dict[str, Any]) -> bool:
    """Return whether a job's times follow each other, and its duration is possible."""
    metrics = job["metrics"]
    is_ordered = [metrics[name] for name in TIMES] == sorted(metrics[name] for name in TIMES)
    return is_ordered and 0 <= metrics["execution_time_s"] < A_WHILE


@pytest.mark.parametrize(
    ("server", "seconds"),
    matrix(
        [(server, seconds) for server in ("gevent", "asgi") for seconds in (7200, -7200)],
        ("gevent", 7200),
        rows=True,
    ),
)
def test_a_step_of_the_wall_clock_neither_fails_nor_repeats_a_job(
    tmp_path: Path, server: str, seconds: int
) -> None:
    gate, step = tmp_path / "gate", tmp_path / "step"
    step.write_text("0")
    with serving(tmp_path, server, step) as service:
        before = end_of(service, enqueue(service, "/work"))
        running = enqueue(service, "/work", gate=str(gate))
        entered(gate)
        step.write_text(str(seconds))
        # Each end is a claim of the other replica's, which would take what has no lease.
        after = [end_of(service, enqueue(service, "/work")) for _ in range(5)]
        still = look(service, running)
        (gate / "open").touch()
        amid = end_of(service, running)
        kept = look(service, before["job_id"])
        metrics = ask(service.port, get("/metrics")).body.decode()

    assert [job["result"]["wall_clock_ahead"] for job in (before, *after)] == [0, *[seconds] * 5]
    assert still["status"] == "processing"
    jobs = [before, amid, *after]
    assert [(job["status"], job["metrics"]["attempts"]) for job in jobs] == [("finished", 1)] * len(jobs)
    assert all(took_its_time(job) for job in jobs), jobs
    assert kept == before
    assert re.search(r'model_serving_jobs\{route="work",status="finished"\} 7\.0', metrics)
    assert [line for line in metrics.splitlines() if re.search(r" -\d", line)] == []
