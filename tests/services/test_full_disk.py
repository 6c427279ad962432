"""A service whose folder for temporary files has no room goes on, and is whole once it has."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.full_disks import make_room, on_small_disk
from tests.selection import matrix
from tests.services.raw_http import ask, get, post
from tests.services.serving import SETTINGS, Service, launch

pytestmark = pytest.mark.processes

WORKERS = 2
REQUESTS = 10
MODEL = post({"text": "x"}, path="/model")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder whose path is short enough for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="disk-") as folder:
        yield Path(folder)


def counted(service: Service) -> float:
    """Return how many calls of the model a scrape tells of."""
    lines = ask(service.port, get("/__metrics")).body.decode().splitlines()
    found = [line for line in lines if line.startswith("flask_http_request_total{") and 'POST"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


@pytest.mark.parametrize("worker_class", matrix(["gthread", "gevent", "asgi"], "asgi"))
def test_a_full_disk_costs_numbers_and_no_request(worker_class: str, temporary: Path) -> None:
    server = [sys.executable, "-m", "gunicorn", "--config", str(SETTINGS), "--bind", "127.0.0.1:{port}"]
    server += ["--worker-class", worker_class, "--workers", str(WORKERS)]
    disk = on_small_disk(temporary, "4m")
    env = {"TMPDIR": str(temporary), "ROUTES": "model", "MODEL_SERVING_LIMIT": "1000/second"}
    with launch(
        [*disk, *server, "tests.services.hosted_apps:hosting()"], env=env, ready="/readyz"
    ) as service:
        before = set(service.workers())
        assert [ask(service.port, MODEL).status for _ in range(REQUESTS)] == [200] * REQUESTS
        assert set(service.workers()) == before
        log = service.log()
        assert counted(service) == 0

        make_room(service.pid, temporary)
        service.wait_until(lambda: counted(service) == REQUESTS)
        assert ask(service.port, MODEL).status == 200
        service.wait_until(lambda: counted(service) == REQUESTS + 1)

    for worker in before:
        assert log.count(f"Process {worker} counts its metrics in memory") == 1
    assert "Which calls of model run is not recorded: [Errno 28]" in log
