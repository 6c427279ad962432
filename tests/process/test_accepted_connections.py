"""Connections that a process has accepted are found by the kernel's tables, and end where nothing passes."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aylien_model_serving.process.accepted_connections import (
    AcceptedConnections,
    quiet_seconds,
    quiet_seconds_of,
    unaccepted_connections,
)

SECONDS = 0.1


class Pair:
    """A listening socket, and both ends of a connection to it."""

    def __init__(self, stack: ExitStack, family: socket.AddressFamily, name: object) -> None:
        self.listening = stack.enter_context(socket.socket(family))
        self.listening.bind(name)  # type: ignore[arg-type]
        self.listening.listen()
        self.client = stack.enter_context(socket.socket(family))
        self.client.connect(self.listening.getsockname())
        self.accepted = stack.enter_context(self.listening.accept()[0])
        for one in (self.client, self.accepted):
            one.settimeout(5)
        self.connections = AcceptedConnections([self.listening])

    def end_quiet(self) -> None:
        """Look twice, with a pause in which the connection has been quiet for long enough."""
        self.connections.end_quiet(SECONDS)
        time.sleep(2 * SECONDS)
        self.connections.end_quiet(SECONDS)


@pytest.fixture(params=["tcp", "tcp6", "unix"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    names: dict[str, tuple[socket.AddressFamily, object]] = {
        "tcp": (socket.AF_INET, ("127.0.0.1", 0)),
        "tcp6": (socket.AF_INET6, ("::1", 0)),
        "unix": (socket.AF_UNIX, os.path.relpath(tmp_path / "socket")),
    }
    with ExitStack() as stack:
        yield Pair(stack, *names[request.param])


def test_the_reader_of_a_quiet_connection_meets_its_end_and_can_answer(pair: Pair) -> None:
    pair.end_quiet()

    assert pair.accepted.recv(10) == b""
    pair.accepted.sendall(b"bye")
    assert pair.client.recv(10) == b"bye"


def test_what_waits_to_be_read_is_read(pair: Pair) -> None:
    pair.client.sendall(b"request")

    pair.end_quiet()

    assert pair.accepted.recv(10) == b"request"
    pair.client.sendall(b"more")
    assert pair.accepted.recv(10) == b"more"


def test_the_client_s_end_of_a_connection_is_left_alone(pair: Pair) -> None:
    pair.end_quiet()

    pair.accepted.sendall(b"late")
    assert pair.client.recv(10) == b"late"


def test_a_connection_that_has_just_carried_something_goes_on() -> None:
    with ExitStack() as stack:
        pair = Pair(stack, socket.AF_INET, ("127.0.0.1", 0))
        time.sleep(0.05)
        pair.accepted.sendall(b"x")

        assert 0 <= (quiet_seconds(pair.accepted) or 0) < 10
        pair.connections.end_quiet(10)
        pair.client.sendall(b"y")
        assert pair.accepted.recv(10) == b"y"


def test_connections_to_other_sockets_go_on(pair: Pair) -> None:
    with ExitStack() as stack:
        other = Pair(stack, socket.AF_INET, ("127.0.0.1", 0))

        pair.end_quiet()

        other.client.sendall(b"x")
        assert other.accepted.recv(10) == b"x"


def descriptors_of(number: int) -> int:
    """Return how many descriptors of this process lead to where one does."""
    links = []
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(entry))
    return links.count(os.readlink(f"/proc/self/fd/{number}"))


def test_looking_leaves_no_descriptor_open_and_a_socket_in_its_mode(
    pair: Pair,
) -> None:
    socket.setdefaulttimeout(5)
    try:
        pair.accepted.setblocking(True)
        number = pair.accepted.fileno()
        before = descriptors_of(number), os.get_blocking(number)

        pair.end_quiet()

        deadline = time.monotonic() + 10
        while descriptors_of(number) > before[0] and time.monotonic() < deadline:
            time.sleep(0.001)  # gevent closes a socket at the hub's next turn
        assert (descriptors_of(number), os.get_blocking(number)) == before
    finally:
        socket.setdefaulttimeout(None)


def test_a_descriptor_of_no_connection_is_never_quiet() -> None:
    assert quiet_seconds_of(0) == 0.0
    assert quiet_seconds_of(10**6) == 0.0


def test_connections_that_nobody_has_accepted_are_counted() -> None:
    with ExitStack() as stack:
        pair = Pair(stack, socket.AF_INET, ("127.0.0.1", 0))
        before = unaccepted_connections(pair.listening)
        stack.enter_context(socket.create_connection(pair.listening.getsockname()))

        assert (before, unaccepted_connections(pair.listening)) == (0, 1)


def test_of_what_is_no_tcp_socket_the_unaccepted_are_unknown() -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        assert unaccepted_connections(listening) is None


def test_a_listening_socket_gets_no_second_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    duplicated: list[int] = []
    real = os.dup
    with ExitStack() as stack:
        pair = Pair(stack, socket.AF_INET, ("127.0.0.1", 0))
        monkeypatch.setattr(os, "dup", lambda descriptor: duplicated.append(descriptor) or real(descriptor))

        pair.connections.end_quiet(10)

        assert pair.accepted.fileno() in duplicated
        assert pair.listening.fileno() not in duplicated
