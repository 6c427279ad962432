"""What a service has loaded is set aside from the garbage collector, whose looks hold up requests."""

from pathlib import Path

import pytest

from tests.selection import full, matrix
from tests.services.raw_http import ask, get
from tests.services.serving import serve

pytestmark = [pytest.mark.processes, full]

SERVICE = """
import gc
import os

from aylien_model_serving import FlaskAppWrapper

at_forks = []
os.register_at_fork(before=lambda: at_forks.append(gc.get_freeze_count()))


def count() -> dict:
    return {"aside": gc.get_freeze_count(), "looked_at": len(gc.get_objects()), "at_forks": at_forks}


app = FlaskAppWrapper.create_app(
    [
        {"endpoint": "/inline", "callable": count, "methods": ["GET"], "name": "inline"},
        {"endpoint": "/hosted", "callable": count, "methods": ["GET"], "name": "hosted", "runner": True},
    ]
)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "counts.py").write_text(SERVICE)
    return tmp_path


@pytest.mark.parametrize("worker_class", matrix(["asgi", "gevent", "gthread"], "gevent"))
def test_workers_and_replicas_set_aside_what_they_have_loaded(worker_class: str, folder: Path) -> None:
    with serve("counts:app", worker_class=worker_class, cwd=folder, ready="/readyz") as service:
        found = [ask(service.port, get(path)).json() for path in ("/inline", "/hosted")]

    for counts in found:
        assert counts["aside"] > 10_000
        assert counts["looked_at"] < counts["aside"] / 4


@full
def test_a_master_that_loads_the_app_has_done_so_before_it_forks(folder: Path) -> None:
    with serve("counts:app", args=["--preload"], cwd=folder, ready="/readyz") as service:
        counts = ask(service.port, get("/inline")).json()

    assert counts["at_forks"][0] > 10_000
