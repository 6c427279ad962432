"""A worker that has served ends no service, whatever its exit status; one that can't start does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.errors import HaltServer

from aylien_model_serving.servers.gunicorn import checks, exit_statuses

pytestmark = pytest.mark.processes


class Worker:
    """What is used of a worker, with a real file that master and worker share."""

    def __init__(self, path: Path) -> None:
        path.touch(0o600)
        self.tmp = path.open("wb")
        self.notified = 0

    def notify(self) -> None:
        self.notified += 1


@pytest.fixture(autouse=True)
def _unpatched(arbiter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_warned", set())
    monkeypatch.setattr(arbiter, "os", os)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    made = Worker(tmp_path / "shared")
    yield made
    made.tmp.close()


def reap(kind: Any, worker: Worker, status: int) -> Any:
    """Have a worker's process exit, and Gunicorn's own method reap it."""
    log = SimpleNamespace(**dict.fromkeys(("debug", "info", "warning", "error"), lambda *words: None))
    cfg = SimpleNamespace(child_exit=lambda server, worker: None)
    server = SimpleNamespace(reexec_pid=0, dirty_arbiter_pid=0, WORKERS={}, log=log, cfg=cfg)
    for name in ("WORKER_BOOT_ERROR", "APP_LOAD_ERROR"):
        setattr(server, name, getattr(kind, name))
    exit_statuses.patch_master(server)
    pid = os.spawnlp(os.P_NOWAIT, "sh", "sh", "-c", f"exit {status}")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    server.WORKERS[pid] = worker
    kind.reap_workers(server)
    return server


@pytest.mark.parametrize("status", [3, 4])
def test_a_worker_that_has_served_ends_no_service(
    arbiter: Any, worker: Worker, status: int, warnings: list[str]
) -> None:
    exit_statuses.tell_when_serving(worker)
    worker.notify()
    worker.notify()

    server = reap(arbiter.Arbiter, worker, status)

    assert server.WORKERS == {}
    assert worker.notified == 2
    [line] = warnings
    assert f"status {status}" in line


@pytest.mark.parametrize("status", [3, 4])
def test_a_worker_that_has_not_served_yet_ends_the_service(arbiter: Any, worker: Worker, status: int) -> None:
    exit_statuses.tell_when_serving(worker)

    with pytest.raises(HaltServer):
        reap(arbiter.Arbiter, worker, status)


@pytest.mark.parametrize("name", ["WORKER_BOOT_ERROR", "APP_LOAD_ERROR"])
def test_without_what_the_patch_needs_the_master_is_left_as_it_is(
    arbiter: Any, name: str, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(arbiter.Arbiter, name)

    exit_statuses.patch_master(SimpleNamespace(WORKERS={}))

    [line] = warnings
    assert name in line
    assert arbiter.os is os


def test_a_worker_without_a_shared_file_is_left_as_it_is(warnings: list[str]) -> None:
    worker = SimpleNamespace(notify=print)

    exit_statuses.tell_when_serving(worker)

    [line] = warnings
    assert "tmp" in line
    assert worker.notify is print
