"""Stops that wait for answers and for nothing else, and the end of workers whose master was killed."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.selection import full, matrix
from tests.services.hosts import processes, wait_until
from tests.services.raw_http import Connection, connect, get, head, post
from tests.services.serving import BRIEF_SECONDS, Service, launch, serve, state_of
from tests.with_packages import need

pytestmark = pytest.mark.processes

APP = "tests.services.apps:answering()"
WORKER_CLASSES = ("gevent", "gthread", "sync", "asgi")

#: Seconds of a stop that has nothing to wait for, and what a busy machine gets on top.
STOP_SECONDS = 2.0
MARGIN = 3.0

#: Servers that do not see to the end of their workers.
OTHERS = {
    "granian asgi": ("granian", "--interface", "asgi"),
    "granian wsgi": ("granian", "--interface", "wsgi"),
    "uvicorn": ("uvicorn",),
}

#: Connections in the kernel's backlog.
WAITING = 6

LOADS = """
import time
from pathlib import Path

Path("loading").touch()
time.sleep(60)
"""


def timed_stop(service: Service) -> float:
    """End a service as an operator does, and return the seconds until all its processes are gone."""
    start = time.monotonic()
    service.process.terminate()
    service.process.wait(30)
    wait_until(lambda: not processes(service))
    return time.monotonic() - start


def idle(connection: Connection) -> None:
    answer = connection.ask(get("/__ping"))
    assert answer is not None
    assert answer.status == 200


def unused(connection: Connection) -> None:
    """Leave a connection as it is, like a browser that connects ahead."""


def half_a_head(connection: Connection) -> None:
    connection.send(b"POST / HTTP/1.1\r\nHost: local")


def half_a_body(connection: Connection) -> None:
    connection.send(head("Content-Length: 100"), b'{"text": ')


STATES = {use.__name__: use for use in (idle, unused, half_a_head, half_a_body)}
CASES = [(worker_class, name) for worker_class in WORKER_CLASSES for name in STATES]


@pytest.mark.parametrize(
    ("worker_class", "state"),
    matrix(CASES, ("gevent", "idle"), ("gevent", "half_a_body"), ("asgi", "idle"), rows=True),
)
def test_a_stop_waits_for_no_client_that_sends_nothing(worker_class: str, state: str) -> None:
    serving = serve(APP, worker_class=worker_class, workers=1)
    with serving as service, connect(service.port) as connection:
        STATES[state](connection)
        seconds = timed_stop(service)
        answer = connection.answer()

    assert seconds < STOP_SECONDS + MARGIN
    assert answer is None or (answer.status, answer.headers["connection"]) == (400, "close")


@full
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_the_usual_stop_takes_less_than_two_seconds(worker_class: str) -> None:
    seconds = []
    for _ in range(3):
        with serve(APP, worker_class=worker_class) as service, connect(service.port) as connection:
            idle(connection)
            seconds.append(timed_stop(service))

    assert min(seconds) < STOP_SECONDS


@full
@pytest.mark.parametrize("worker_class", ["gevent", "asgi"])
def test_idle_clients_of_a_unix_socket_do_not_hold_up_a_stop(worker_class: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    args = ("--bind", f"unix:{path}")
    with serve(APP, worker_class=worker_class, workers=1, args=args, ready=None) as service:
        service.wait_until(path.exists)
        with over_unix(path) as client:
            client.sendall(get("/__ping"))
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            seconds = timed_stop(service)

    assert seconds < STOP_SECONDS + MARGIN


@contextmanager
def over_unix(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(path))
        yield client


@pytest.mark.parametrize("worker_class", matrix(WORKER_CLASSES, "gevent", "asgi"))
def test_an_answer_in_flight_closes_its_connection(worker_class: str, tmp_path: Path) -> None:
    with serve(APP, worker_class=worker_class, workers=1) as service, connect(service.port) as connection:
        connection.send(post({"folder": str(tmp_path)}, path="/gate"))
        service.wait_until((tmp_path / "entered").exists)
        service.process.terminate()
        time.sleep(1.5)  # longer than a silent client is waited for
        (tmp_path / "open").touch()
        answer = connection.answer()

        assert answer is not None
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert connection.answer() is None


@pytest.mark.parametrize("worker_class", matrix(WORKER_CLASSES, "sync", "gthread"))
def test_a_request_that_no_worker_has_accepted_yet_is_answered(worker_class: str) -> None:
    with serve(APP, worker_class=worker_class, workers=1) as service, ExitStack() as stack:
        [worker] = service.workers()
        os.kill(worker, signal.SIGSTOP)
        wait_until(lambda: state_of(worker) == "T")
        waiting = [stack.enter_context(connect(service.port)) for _ in range(WAITING)]
        for connection in waiting:
            connection.send(get("/__ping"))
        service.process.terminate()
        wait_until(lambda: not listens(service.pid))
        os.kill(worker, signal.SIGCONT)
        answers = [connection.answer() for connection in waiting]
        service.process.wait(30)

    assert [answer and (answer.status, answer.headers["connection"]) for answer in answers] == [
        (200, "close")
    ] * WAITING


def listens(pid: int) -> bool:
    """Return whether a process has a socket, as a master has that listens."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return any(str(link.readlink()).startswith("socket:") for link in links)


@pytest.mark.parametrize("worker_class", matrix(["gevent", "gthread", "asgi"], "gevent", "asgi"))
def test_a_body_that_comes_slowly_is_read_to_its_end(worker_class: str) -> None:
    body = b'{"text": "slow"}'
    with serve(APP, worker_class=worker_class, workers=1) as service, connect(service.port) as connection:
        idle(connection)  # so that the worker has accepted it
        connection.send(head(f"Content-Length: {len(body)}"))
        service.process.terminate()
        for at in range(len(body)):
            connection.send(body[at : at + 1])
            time.sleep(0.15)  # longer in all than a silent client is waited for
        answer = connection.answer()

    assert answer is not None
    assert answer.json() == {"text": "slow"}


@pytest.mark.parametrize("worker_class", matrix(["gevent", "gthread", "asgi"], "gevent", "asgi"))
def test_a_worker_that_has_answered_enough_waits_for_no_idle_client(worker_class: str) -> None:
    args = ("--max-requests", "20")
    with serve(APP, worker_class=worker_class, workers=1, args=args) as service:
        [worker] = service.workers()
        with connect(service.port) as connection:
            idle(connection)
            service.wait_until(lambda: service.status("/__ping") and worker not in service.workers(), 15)


@pytest.mark.parametrize("worker_class", matrix(WORKER_CLASSES, "gevent", "asgi"))
def test_all_are_gone_soon_after_the_master_is_killed(worker_class: str, tmp_path: Path) -> None:
    with serve(APP, worker_class=worker_class) as service, connect(service.port) as in_flight:
        in_flight.send(post({"folder": str(tmp_path)}, path="/gate"))
        service.wait_until((tmp_path / "entered").exists)
        service.process.kill()
        service.process.wait()

        wait_until(lambda: not processes(service), STOP_SECONDS + MARGIN)


@pytest.mark.parametrize("server", matrix([*OTHERS], "granian asgi"))
def test_workers_of_other_servers_are_gone_soon_after_it_is_killed(server: str) -> None:
    program, *words = OTHERS[server]
    need(program)
    command = [sys.executable, "-m", program, *words, "--port", "{port}", "--workers", "2", "--factory"]
    serving = launch([*command, APP.removesuffix("()")], stop_seconds=BRIEF_SECONDS)
    with serving as service, connect(service.port) as connection:
        idle(connection)
        service.process.kill()
        service.process.wait()

        wait_until(lambda: not processes(service), STOP_SECONDS + MARGIN)


@pytest.mark.parametrize("worker_class", matrix(WORKER_CLASSES, "gevent"))
def test_an_answer_in_flight_is_sent_though_the_master_is_killed(worker_class: str, tmp_path: Path) -> None:
    with serve(APP, worker_class=worker_class, workers=1) as service, connect(service.port) as in_flight:
        in_flight.send(post({"folder": str(tmp_path)}, path="/gate"))
        service.wait_until((tmp_path / "entered").exists)
        service.process.kill()
        (tmp_path / "open").touch()
        answer = in_flight.answer()

    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize("worker_class", matrix(WORKER_CLASSES, "gevent"))
def test_a_worker_that_loads_the_app_ends_with_its_master(worker_class: str, tmp_path: Path) -> None:
    (tmp_path / "loads.py").write_text(LOADS)
    with serve("loads:app", worker_class=worker_class, workers=1, cwd=tmp_path, ready=None) as service:
        wait_until((tmp_path / "loading").exists)
        os.kill(service.pid, signal.SIGKILL)
        service.process.wait()

        wait_until(lambda: not processes(service), STOP_SECONDS + MARGIN)
