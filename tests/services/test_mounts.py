"""A FastAPI app and a Flask app beside routes, on every kind of server."""

from __future__ import annotations

import base64
import http.client
import json
import os
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import mounted
from tests.selection import matrix
from tests.services.hosts import UNHEARD, metric
from tests.services.raw_http import Connection, ask, connect, get, head, post, request
from tests.services.serving import Service, launch, serve

pytestmark = pytest.mark.processes

Start = Callable[[str, Mapping[str, str]], AbstractContextManager[Service]]


def gunicorn(worker_class: str, *args: str) -> Start:
    def start(factory: str, env: Mapping[str, str]) -> AbstractContextManager[Service]:
        target = f"tests.mounted:{factory}()"
        return serve(target, worker_class=worker_class, workers=1, env=env, args=args)

    return start


def granian(interface: str, *args: str) -> Start:
    def start(factory: str, env: Mapping[str, str]) -> AbstractContextManager[Service]:
        words = ("--interface", interface, "--port", "{port}", "--factory", f"tests.mounted:{factory}")
        return launch([sys.executable, "-m", "granian", *args, *words], env=env)

    return start


class Server(NamedTuple):
    """How a server is started, and whether it speaks ASGI."""

    start: Start
    speaks_asgi: bool = False


SERVERS = {
    "gthread": Server(gunicorn("gthread", "--threads", "8")),
    "gevent": Server(gunicorn("gevent")),
    "gevent preloaded": Server(gunicorn("gevent", "--preload")),
    "asgi": Server(gunicorn("asgi"), True),
    "granian wsgi": Server(granian("wsgi", "--blocking-threads", "8")),
    "granian asgi": Server(granian("asgi"), True),
}

#: A master with --preload imports logging before its worker is patched, and that shows at the worker's end.
CRIES = [cry for cry in UNHEARD if cry != "Exception ignored"]

ASGI_SERVERS = [name for name, server in SERVERS.items() if server.speaks_asgi]


class Running(NamedTuple):
    """A service and where its applications write down what happens."""

    service: Service
    log: Path

    @property
    def port(self) -> int:
        return self.service.port

    def notes(self) -> list[str]:
        return mounted.notes(self.log)


def start(name: str, folder: Path, factory: str = "service", **env: str) -> Iterator[Running]:
    log = folder / "notes"
    with SERVERS[name].start(factory, {"MOUNTED_LOG": str(log), **env}) as service:
        yield Running(service, log)


@pytest.fixture(scope="module", params=matrix(SERVERS, "gevent", "asgi"))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    yield from start(request.param, tmp_path_factory.mktemp("mounted"))


@pytest.fixture(params=matrix(SERVERS, "gevent"))
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    yield from start(request.param, tmp_path)


@pytest.fixture(params=matrix(SERVERS, "gevent"))
def seen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    yield from start(request.param, tmp_path, "seen_service")


@pytest.fixture(params=matrix(ASGI_SERVERS, "asgi"))
def speaking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    yield from start(request.param, tmp_path)


@pytest.fixture(params=matrix(ASGI_SERVERS, "asgi"))
def locked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    yield from start(request.param, tmp_path, MODEL_SERVING_API_KEYS="secret")


def read(running: Running, path: str) -> tuple[int, dict[str, str], bytes]:
    """Ask for a page whose answer may be framed in any way."""
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)) as connection:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_routes_and_applications_answer_below_their_paths(running: Running) -> None:
    host = f"http://127.0.0.1:{running.port}"

    assert ask(running.port, post({"number": 3}, path="/half")).json() == {"half": 1.5}
    for place in ("/fast", "/flask"):
        told = json.loads(read(running, f"{place}/where?x=1")[2])
        assert (told["root"], told["url"]) == (place, f"{host}{place}/where?x=1")
        status, headers, _ = read(running, f"{place}/folder")
        assert status in (307, 308)
        assert headers["location"].endswith(f"{place}/folder/")
        assert read(running, f"{place}/stream")[2] == b"0\n1\n2\n"
        assert read(running, f"{place}/teapot")[0] == 418
    assert b"/fast/openapi.json" in read(running, "/fast/docs")[2]
    assert json.loads(read(running, "/fast/openapi.json")[2])["servers"] == [{"url": "/fast"}]


def test_the_state_of_a_lifespan_reaches_its_requests(running: Running) -> None:
    assert json.loads(read(running, "/fast/where")[2])["greeting"] == "hello"
    assert running.notes().count("started") == 1


def test_bodies_arrive_whole(running: Running) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (50_000, b"a" * 50_000) for _ in range(4)) + b"0\r\n\r\n"
    for place in ("/fast", "/flask"):
        declared = ask(running.port, request(b"a" * 1_000_000, path=f"{place}/size"))
        chunked = ask(running.port, head("Transfer-Encoding: chunked", path=f"{place}/size"), chunks)

        assert declared.json() == {"size": 1_000_000}
        assert chunked.json() == {"size": 200_000}


@pytest.mark.parametrize("page", ["quick", "slow"])
def test_one_waiting_request_holds_up_no_other(running: Running, page: str) -> None:
    with connect(running.port) as waiting:
        waiting.send(get(f"/fast/{page}?seconds=2"))

        for _ in range(5):
            assert ask(running.port, post({"number": 3}, path="/half")).status == 200
            assert read(running, "/fast/quick")[0] == 200

        assert not is_readable(waiting)
        answer = waiting.answer()
    assert answer is not None
    assert answer.status == 200


def is_readable(connection: Connection) -> bool:
    return connection.send_until_answered([b""]) == 0


def test_many_requests_at_once_are_answered(running: Running) -> None:
    with_sockets = [connect(running.port) for _ in range(40)]
    connections = [each.__enter__() for each in with_sockets]
    try:
        for connection in connections:
            connection.send(get("/fast/slow?seconds=0.05"))
        answers = [connection.answer() for connection in connections]
    finally:
        for each in with_sockets:
            each.__exit__(None, None, None)

    assert [answer and answer.status for answer in answers] == [200] * 40


def test_a_piece_arrives_when_it_is_made_and_a_client_that_leaves_ends_the_stream(running: Running) -> None:
    before = running.notes().count("streamed")

    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)) as connection:
        connection.request("GET", "/fast/stream?count=100000&seconds=0.01")
        answer = connection.getresponse()
        assert answer.readline() == b"0\n"
        assert running.notes().count("streamed") == before

    running.service.wait_until(lambda: running.notes().count("streamed") == before + 1)


def test_requests_are_counted_under_their_mount(running: Running) -> None:
    series = "flask_http_request_duration_seconds_count"
    for place in ("/fast", "/flask"):
        before = metric(running.service, series, endpoint=place, status="418")

        read(running, f"{place}/teapot")

        assert metric(running.service, series, endpoint=place, status="418") == before + 1


def test_an_error_is_the_applications_own_and_is_logged(running: Running) -> None:
    assert read(running, "/fast/broken")[::2] == (500, b"Internal Server Error")

    running.service.wait_until(lambda: "ValueError: it broke" in running.service.log())


def test_what_has_begun_is_finished_before_the_application_ends(own: Running) -> None:
    assert own.notes().count("ended") == 0
    assert read(own, "/fast/later")[0] == 200

    own.service.process.terminate()
    own.service.process.wait(20)

    assert own.notes() == ["started", "later", "ended"]
    assert not any(cry in own.service.log() for cry in CRIES), own.service.log()


def test_middleware_of_either_kind_sees_what_is_mounted_too(seen: Running) -> None:
    headers = ask(seen.port, post({"number": 3}, path="/half")).headers
    assert (headers["x-seen"], headers["x-passed"]) == ("yes", "yes")
    for place in ("/fast", "/flask"):
        status, headers, _ = read(seen, f"{place}/where")
        assert (status, headers["x-seen"], headers["x-passed"]) == (200, "yes", "yes")
    assert read(seen, "/fast/where")[1]["x-stamp"] == "outer"
    assert read(seen, "/fast/stream")[2] == b"0\n1\n2\n"
    assert seen.notes().count("started") == 1


def open_socket(connection: Connection, *headers: str) -> bytes:
    """Ask for a websocket, and return the status line of the answer."""
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}")
    connection.send(head(*upgrade, "Sec-WebSocket-Version: 13", *headers, method="GET", path="/fast/socket"))
    lines = iter(connection._received.readline, b"\r\n")
    return next(lines) + b"".join(lines)


def say(connection: Connection, text: str) -> None:
    """Send a short text in one masked frame (RFC 6455, section 5.2)."""
    connection.send(struct.pack("!BB4x", 0x81, 0x80 | len(text)) + text.encode())


def hear(connection: Connection) -> tuple[int, bytes]:
    """Return opcode and content of the next short frame."""
    first, length = connection._received.read(2)
    return first & 15, connection._received.read(length)


def test_websockets_reach_the_application(speaking: Running) -> None:
    with connect(speaking.port) as connection:
        assert b" 101 " in open_socket(connection)

        say(connection, "hello")
        heard = hear(connection)
        say(connection, "bye")

        assert heard == (1, b"/fast hello")
        assert hear(connection)[0] == 8
    assert metric(speaking.service, "flask_http_request_total", status="101") == 1


def test_a_page_of_a_foreign_origin_opens_no_websocket(speaking: Running) -> None:
    origins = {"https://evil.example": b" 403 ", "null": b" 403 ", "http://localhost": b" 101 "}
    for origin, status in origins.items():
        with connect(speaking.port) as connection:
            assert status in open_socket(connection, f"Origin: {origin}").splitlines()[0]


def test_a_websocket_needs_a_key_as_a_request_does(locked: Running) -> None:
    for headers, status in (((), b" 403 "), (("X-API-Key: secret",), b" 101 ")):
        with connect(locked.port) as connection:
            assert status in open_socket(connection, *headers).splitlines()[0]
