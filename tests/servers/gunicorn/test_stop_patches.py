"""A stop's patches are left out with one warning where Gunicorn lacks what they rely on."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import ExitStack
from functools import partial
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
from aylien_model_serving.servers.gunicorn import asgi_stop, backlogs, checks, stop_patches, stops
from aylien_model_serving.servers.gunicorn.worker_watch import WorkerWatch
from tests.web.asgi_client import NEEDS_A_LOOP


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it warn as a new process does, and start no thread that would end this process."""
    monkeypatch.setattr(checks, "_warned", set())
    monkeypatch.setattr(native_threads, "start", lambda function: None)
    monkeypatch.setattr(WorkerWatch, "take_signals", lambda self, tick: None)


def worker_of(kind: type[Worker], **changes: Any) -> Any:
    """Return a worker as its master has made it, without sockets and settings."""
    made = kind.__new__(kind)
    members = {"ppid": 1, "sockets": [], "alive": True, "cfg": None, "log": None}
    if kind is ThreadWorker:
        members |= {"nr_conns": 0, "worker_connections": 1000}
    made.__dict__.update(members | changes)
    return made


class GeventLike(Worker):
    """Gunicorn's gevent worker as its patches see it, without gevent."""

    def handle(self, listener: object, client: object, addr: object) -> None: ...


GeventLike.__module__ = "gunicorn.workers.ggevent"


@pytest.mark.parametrize("kind", [SyncWorker, ThreadWorker, ASGIWorker])
def test_gunicorn_s_workers_have_what_a_stop_needs(kind: type[Worker], warnings: list[str]) -> None:
    loop = asyncio.new_event_loop()
    worker = worker_of(kind, loop=loop) if kind is ASGIWorker else worker_of(kind)

    stop_patches.patch_asgi(worker)
    stop_patches.patch_stops(worker)

    loop.close()
    assert warnings == []
    assert {"ppid", "sockets", "alive"} <= set(Worker.__init__.__code__.co_names)
    assert {"nr_conns", "worker_connections"} <= set(ThreadWorker.__init__.__code__.co_names)


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
    ("kind", "member", "patched"),
    [
        (SyncWorker, "run", "run"),
        (SyncWorker, "handle", "run"),
        (ThreadWorker, "set_accept_enabled", "set_accept_enabled"),
        (ThreadWorker, "accept", "set_accept_enabled"),
    ],
)
def test_a_worker_without_what_takes_a_backlog_leaves_it(
    kind: type[Worker], member: str, patched: str, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(kind, member)
    if member == "run":
        monkeypatch.delattr(Worker, member)
    worker = worker_of(kind)

    stop_patches.patch_stops(worker)

    [warning] = warnings
    assert f"{kind.__name__}.{member}" in warning
    assert patched not in vars(worker)


@pytest.mark.parametrize("member", ["do_read", "full", "handle"])
def test_a_gevent_worker_without_what_takes_a_backlog_leaves_it(
    member: str, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    members = dict.fromkeys(("close", "do_handle", "do_read", "full", "stop_accepting"), print)
    server = type("StreamServer", (), members)
    gevent = SimpleNamespace(__name__="gevent", sleep=print)
    module = SimpleNamespace(StreamServer=server, gevent=gevent)
    monkeypatch.setitem(sys.modules, "gunicorn.workers.ggevent", module)
    worker = worker_of(GeventLike)
    monkeypatch.delattr(GeventLike if member == "handle" else server, member)

    stop_patches.patch_stops(worker)

    [warning] = warnings
    assert member in warning
    assert module.StreamServer is server
    assert "handle" not in vars(worker)


def test_a_gevent_connection_is_handled_though_its_listening_socket_is_closed() -> None:
    told: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        name = listener.getsockname()
        handle = backlogs.with_names(
            lambda closed, *rest: told.append((closed.getsockname(), *rest)), [listener]
        )

    handle(listener, "client", "address")

    assert told == [(name, "client", "address")]


@NEEDS_A_LOOP
def test_a_loops_server_serves_what_waited_before_it_was_closed() -> None:
    async def first_bytes() -> list[bytes]:
        loop = asyncio.get_running_loop()
        received: list[bytes] = []
        factory = partial(NotingProtocol, received)
        with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
            listener.setblocking(False)
            clients = [
                stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(3)
            ]
            for client in clients:
                client.sendall(b"x")
            worker = SimpleNamespace(loop=loop, ppid=os.getppid(), worker_connections=10, nr_conns=0)
            made = await loop.create_server(factory, sock=listener, start_serving=False)
            connect = partial(loop.connect_accepted_socket, factory)
            server = backlogs.DrainedServer(worker, made, listener, connect)
            server.close()
            await server.wait_closed()
            while len(received) < len(clients):
                await asyncio.sleep(0.01)
        return received

    assert asyncio.run(asyncio.wait_for(first_bytes(), 30)) == [b"x"] * 3


class NotingProtocol(asyncio.Protocol):
    """Notes what it receives, and closes its connection."""

    def __init__(self, received: list[bytes]) -> None:
        self._received = received

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self._transport.close()


def test_a_socket_is_held_by_the_processes_that_have_it_open() -> None:
    with socket.socket() as listener:
        assert backlogs.is_held_by(os.getpid(), listener)
        assert not backlogs.is_held_by(os.getppid(), listener)


def test_a_worker_whose_master_still_listens_leaves_what_waits_to_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        worker = worker_of(SyncWorker, ppid=os.getpid(), sockets=[listener], alive=False)

        backlogs.drain_sync(worker, lambda: None)

        accepted, _ = listener.accept()
        accepted.close()


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
