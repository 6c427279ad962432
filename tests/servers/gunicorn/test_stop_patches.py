"""A stop's patches are left out with one warning where Gunicorn lacks what they rely on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.asgi.protocol import ASGIProtocol, BodyReceiver
from gunicorn.http.wsgi import Response
from gunicorn.workers.base import Worker
from gunicorn.workers.gasgi import ASGIWorker
from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

from aylien_model_serving.process import native_threads
from aylien_model_serving.servers.gunicorn import asgi_stop, checks, stop_patches, stops
from aylien_model_serving.servers.gunicorn.worker_watch import WorkerWatch


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it warn as a new process does, and start no thread that would end this process."""
    monkeypatch.setattr(checks, "_warned", set())
    monkeypatch.setattr(native_threads, "start", lambda function: None)
    monkeypatch.setattr(WorkerWatch, "take_signals", lambda self, tick: None)


def worker_of(kind: type[Worker], **changes: Any) -> Any:
    """Return a worker as its master has made it, without sockets and settings."""
    made = kind.__new__(kind)
    made.__dict__.update(ppid=1, sockets=[], alive=True, cfg=None, log=None, **changes)
    return made


@pytest.mark.parametrize("kind", [SyncWorker, ThreadWorker, ASGIWorker])
def test_gunicorn_s_workers_have_what_a_stop_needs(kind: type[Worker], warnings: list[str]) -> None:
    loop = asyncio.new_event_loop()
    worker = worker_of(kind, loop=loop) if kind is ASGIWorker else worker_of(kind)

    stop_patches.patch_asgi(worker)
    stop_patches.patch_stops(worker)

    loop.close()
    assert warnings == []
    assert {"ppid", "sockets", "alive"} <= set(Worker.__init__.__code__.co_names)


@pytest.mark.parametrize("member", ["ppid", "sockets", "alive"])
def test_a_worker_without_what_a_stop_needs_stops_as_gunicorn_has_it(
    member: str, warnings: list[str]
) -> None:
    worker = worker_of(SyncWorker)
    del worker.__dict__[member]

    stop_patches.patch_stops(worker)

    assert all(member in warning for warning in warnings)
    assert "SyncWorker" in warnings[0]
    assert "notify" not in vars(worker)


def test_without_the_closing_of_responses_idle_connections_are_still_ended(
    warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Response, "should_close")

    stop_patches.patch_stops(worker_of(SyncWorker))

    [warning] = warnings
    assert "Response.should_close(self)" in warning


@pytest.mark.parametrize(
    ("owner", "name"),
    [(ASGIProtocol, "_will_close"), (BodyReceiver, "_wake_waiter"), (BodyReceiver, "expect_continue")],
)
def test_an_asgi_worker_without_what_a_stop_needs_stops_as_gunicorn_has_it(
    owner: Any, name: str, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(owner, name)
    worker = worker_of(ASGIWorker)

    stop_patches.patch_asgi(worker)

    [warning] = warnings
    assert name in warning
    assert "handle_exit_signal" not in vars(worker)


def test_the_asgi_worker_has_all_that_is_used() -> None:
    assert asgi_stop.missing_members() == []


def test_what_a_response_has_said_of_its_connection_stays_so() -> None:
    close = stops.closing(lambda response: bool(response.must_close))
    begun = SimpleNamespace(headers_sent=True, must_close=False)
    coming = SimpleNamespace(headers_sent=False, must_close=False)

    assert (close(begun), close(coming)) == (False, True)


def test_a_connection_sees_a_worker_that_stops_as_alive() -> None:
    worker = SimpleNamespace(alive=True, nr=1)
    seen = asgi_stop.ServedWorker(worker)

    seen.nr += 1
    seen.alive = False

    assert (worker.nr, worker.alive) == (2, False)
    assert seen.alive is True
    assert not hasattr(seen, "state")


def test_a_gevent_worker_s_sleep_ends_when_it_stops() -> None:
    slept: list[float] = []
    worker = SimpleNamespace(alive=True)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        worker.alive = len(slept) < 3

    module: Any = stops.looking_up(SimpleNamespace(__name__="gevent", sleep=sleep, spawn=print), worker)
    module.sleep(1000)

    assert len(slept) == 3
    assert max(slept) < 1
    assert module.spawn is print
