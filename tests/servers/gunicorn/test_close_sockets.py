"""Connections are closed as Gunicorn closes them, and nobody waits for the client to do the same."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from aylien_model_serving.servers.gunicorn import close_sockets
from aylien_model_serving.servers.gunicorn.close_sockets import SocketCloser

DEADLINE_SECONDS = 30.0
NEVER = 3600.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A server's end of a connection, and the client's."""
    server, client = socket.socketpair()
    client.settimeout(DEADLINE_SECONDS)
    with server, client:
        yield server, client


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class End:
    """One end of a connection, whichever object of Python's has it."""

    def __init__(self, sock: socket.socket) -> None:
        self._descriptor = sock.fileno()
        self._inode = os.fstat(self._descriptor).st_ino

    def is_closed(self) -> bool:
        try:
            return os.fstat(self._descriptor).st_ino != self._inode
        except OSError:
            return True


def waits() -> bool:
    return any(thread.name == "model-serving-closing" for thread in threading.enumerate())


def test_a_client_gets_its_response_at_once_and_time_to_close(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    server, client = pair
    end = End(server)
    server.sendall(b"answer")

    SocketCloser().close(server, timeout=NEVER)

    assert client.recv(100) + client.recv(100) == b"answer"
    assert not end.is_closed()
    client.close()
    wait_until(end.is_closed)


def test_what_a_client_still_sends_does_not_take_its_answer_away() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname(), DEADLINE_SECONDS) as client:
        server, _ = listener.accept()
        end = End(server)
        client.sendall(b"a body that nobody reads")
        server.sendall(b"refusal")

        SocketCloser().close(server, timeout=NEVER)
        client.sendall(b"and the rest of it")

        assert client.recv(100) + client.recv(100) == b"refusal"
        client.close()
        wait_until(end.is_closed)


def test_a_worker_may_close_a_connection_again(pair: tuple[socket.socket, socket.socket]) -> None:
    server, client = pair
    end = End(server)
    closer = SocketCloser()

    closer.close(server, timeout=NEVER)
    closer.close(server, timeout=NEVER)

    assert server.fileno() == -1
    assert not end.is_closed()
    client.close()
    wait_until(end.is_closed)


def test_a_client_that_has_closed_is_not_waited_for(pair: tuple[socket.socket, socket.socket]) -> None:
    server, client = pair
    end = End(server)
    client.close()

    SocketCloser().close(server, timeout=NEVER)

    assert end.is_closed()


def test_a_client_that_does_not_close_is_given_up(pair: tuple[socket.socket, socket.socket]) -> None:
    server, _ = pair
    end = End(server)

    SocketCloser().close(server, timeout=0.1)

    wait_until(end.is_closed)


def test_a_client_that_goes_on_sending_is_given_up(pair: tuple[socket.socket, socket.socket]) -> None:
    server, client = pair
    end = End(server)
    SocketCloser().close(server, timeout=NEVER, max_drain=1000)

    client.sendall(b"x" * 1000)

    wait_until(end.is_closed)


def test_sockets_beyond_the_maximum_are_closed_at_once(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(close_sockets, "MAX_SOCKETS", 1)
    server, client = pair
    end = End(server)
    closer = SocketCloser()
    closer.close(server, timeout=NEVER)
    another, its_client = socket.socketpair()
    its_end = End(another)

    with its_client:
        closer.close(another, timeout=NEVER)

    assert its_end.is_closed()
    assert not end.is_closed()
    client.close()
    wait_until(end.is_closed)


def test_the_thread_that_waits_goes_with_the_last_client_and_comes_back_with_the_next() -> None:
    closer = SocketCloser()
    for _ in range(2):
        pairs = [socket.socketpair() for _ in range(3)]
        ends = [End(server) for server, _ in pairs]
        for server, _ in pairs:
            closer.close(server, timeout=NEVER)
        assert waits()

        for _, client in pairs:
            client.close()

        wait_until(lambda: not waits())
        assert all(end.is_closed() for end in ends)


def test_a_connection_that_the_client_has_reset_is_closed() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        end = End(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()

        SocketCloser().close(server, timeout=NEVER)

        assert end.is_closed()
