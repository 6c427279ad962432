"""Only a worker of a server that does not see to its end ends with its parent, and it is watched once."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest

from aylien_model_serving.process import native_threads, orphans, owner


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What would run on threads."""
    functions: list[Callable[[], object]] = []
    monkeypatch.setattr(native_threads, "start", functions.append)
    monkeypatch.setattr(orphans, "_watched", set())
    for name in ("granian", "uvicorn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return functions


@pytest.mark.parametrize("server", ["granian", "uvicorn"])
def test_a_server_s_worker_is_watched_once(
    server: str, started: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, server, ModuleType(server))
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=os.getppid()))

    for _ in range(2):
        orphans.end_with_parent()

    assert len(started) == 1


@pytest.mark.parametrize(("server", "has_parent"), [("other", True), ("granian", False)])
def test_no_other_process_is_watched(
    server: str, has_parent: bool, started: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = SimpleNamespace(pid=os.getppid()) if has_parent else None
    monkeypatch.setitem(sys.modules, server, ModuleType(server))
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)

    orphans.end_with_parent()

    assert started == []


@pytest.mark.skipif(native_threads.is_patched(), reason="it waits on a thread that gevent has not patched")
@pytest.mark.parametrize("has_pidfd", [True, False])
def test_the_end_of_a_process_is_noticed(has_pidfd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_pidfd:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        waiting = threading.Thread(
            target=orphans._wait_for_end, args=(process.pid, owner.name_of(process.pid))
        )
        waiting.start()
        assert waiting.is_alive()
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        waiting.join(10)

    assert not waiting.is_alive()
