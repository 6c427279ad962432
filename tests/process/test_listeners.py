"""What this process listens on, as the kernel has it."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aylien_model_serving.process import listeners
from aylien_model_serving.process.listeners import Listener, is_loopback


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def found() -> list[Listener]:
    return listeners.of_process() or []


@pytest.mark.parametrize(
    ("family", "host"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "127.3.2.1"),
        (socket.AF_INET, "0.0.0.0"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::"),
    ],
)
def test_what_is_listened_on_is_found_with_its_address(
    sockets: ExitStack, family: socket.AddressFamily, host: str
) -> None:
    try:
        listener = sockets.enter_context(socket.create_server((host, 0), family=family))
    except OSError:
        pytest.skip(f"this machine has no {host}")

    assert Listener(host, listener.getsockname()[1]) in found()


def test_a_unix_socket_is_found_without_an_address(sockets: ExitStack) -> None:
    folder = sockets.enter_context(tempfile.TemporaryDirectory())
    listener = sockets.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(Path(folder) / "socket"))
    before = found()

    listener.listen()

    assert len(found()) == len(before) + 1
    assert Listener("", 0) in found()


def test_sockets_that_do_not_listen_are_no_listeners(sockets: ExitStack) -> None:
    before = found()

    bound = sockets.enter_context(socket.socket())
    bound.bind(("127.0.0.1", 0))
    for end in socket.socketpair():
        sockets.enter_context(end)

    assert found() == before


def test_a_listener_of_another_process_is_none_of_this_one(sockets: ExitStack) -> None:
    code = """if True:
        import socket
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        input()
    """
    other = sockets.enter_context(
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    )
    assert other.stdout is not None
    port = int(other.stdout.readline())

    assert port not in {listener.port for listener in found()}

    other.communicate("\n")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.b.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::ffff:127.0.0.1",
    ],
)
def test_these_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "localhost.example.com", "notlocalhost", "127.0.0.1.nip.io", "10.0.0.1"]
)
def test_these_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)
