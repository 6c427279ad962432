"""The server of probes: a few pages, a bounded number of connections, a bounded time for each."""

import socket
import time
from collections.abc import Iterator

import pytest

from aylien_model_serving.servers import health_server
from aylien_model_serving.servers.health_server import HealthServer
from tests.services.raw_http import Answer, ask, get

PATHS = ("/readyz", "/parts/")


def application(environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


@pytest.fixture
def server() -> Iterator[HealthServer]:
    server = HealthServer("127.0.0.1", 0, PATHS, application)
    with server.running():
        yield server


def port(server: HealthServer) -> int:
    return int(server.server_address[1])


def asked(server: HealthServer, path: str) -> Answer:
    return ask(port(server), get(path))


@pytest.mark.parametrize("path", ["/readyz", "/parts/of/it"])
def test_its_own_paths_are_the_applications(server: HealthServer, path: str) -> None:
    answer = asked(server, path)

    assert (answer.status, answer.body) == (200, path.encode())
    assert answer.headers["server"] == "model-serving"


@pytest.mark.parametrize("path", ["/", "/classify", "/readyz/", "/parts"])
def test_all_others_are_not_found(server: HealthServer, path: str) -> None:
    answer = asked(server, path)

    assert (answer.status, answer.body) == (404, b"Here are /readyz, /parts/\n")


def is_closed(sock: socket.socket) -> bool:
    sock.settimeout(20)
    try:
        return sock.recv(100) == b""
    except ConnectionResetError:
        return True


def test_a_connection_too_many_is_closed_and_the_next_one_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_server, "_MOST", 2)
    server = HealthServer("127.0.0.1", 0, PATHS, application)
    with server.running():
        silent = [socket.create_connection(("127.0.0.1", port(server))) for _ in range(2)]
        with socket.create_connection(("127.0.0.1", port(server))) as refused:
            assert is_closed(refused)
        for each in silent:
            each.close()
        deadline = time.monotonic() + 20
        while len(server._until):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        answer = asked(server, "/readyz")

    assert answer.status == 200


def test_who_sends_a_request_slowly_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_server, "_SECONDS", 0.2)
    server = HealthServer("127.0.0.1", 0, PATHS, application)
    with server.running(), socket.create_connection(("127.0.0.1", port(server))) as slow:
        slow.sendall(b"GET /readyz HTTP/1.1\r\n")
        assert is_closed(slow)


def test_it_listens_until_the_block_ends(server: HealthServer) -> None:
    taken = port(server)
    with pytest.raises(OSError, match="in use"):
        HealthServer("127.0.0.1", taken, PATHS, application)
    other = HealthServer("127.0.0.1", 0, PATHS, application)
    with other.running():
        freed = port(other)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", freed))
