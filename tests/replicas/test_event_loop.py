"""The supervisor's event loop, and sockets that do not take everything at once."""

import socket
from collections.abc import Iterator

import pytest

from aylien_model_serving.replicas.supervisor.event_loop import EventLoop, PeerSocket
from aylien_model_serving.rpc.control_framing import MessageDecoder, encode
from aylien_model_serving.rpc.control_messages import Status


class Ends:
    """A peer socket, the other end, and the received messages."""

    def __init__(self) -> None:
        self.loop = EventLoop()
        ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.received: list[Status] = []
        self.losses = 0
        self.peer = PeerSocket(self.loop, ours, Status, self.received.append, self._lose)

    def _lose(self) -> None:
        self.losses += 1


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.peer.close()
    ends.theirs.close()
    ends.loop.close()


def test_messages_are_received_in_order(ends: Ends) -> None:
    ends.theirs.send(encode(Status(state="loading")) + encode(Status(state="ready")))

    ends.loop.wait(None)

    assert [status.state for status in ends.received] == ["loading", "ready"]


def test_what_a_socket_does_not_take_is_sent_as_it_takes_more(ends: Ends) -> None:
    text = "x" * 3_000_000
    ends.peer.send(Status(failed=text))
    assert ends.peer.has_unsent
    decoder, found = MessageDecoder(Status), list[Status]()

    while not found:
        ends.loop.wait(0)
        found = decoder.feed(ends.theirs.recv(1 << 20))

    assert found[0].failed == text
    assert not ends.peer.has_unsent


def test_the_last_message_is_received_before_the_close_is_reported(ends: Ends) -> None:
    ends.theirs.send(encode(Status(failed="no")))
    ends.theirs.close()

    ends.peer.read_all()

    assert [status.failed for status in ends.received] == ["no"]
    assert (ends.losses, ends.peer.is_open) == (1, False)


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x01\xc1"])
def test_a_peer_that_violates_the_protocol_is_closed(ends: Ends, nonsense: bytes) -> None:
    ends.theirs.send(nonsense)

    ends.loop.wait(None)

    assert (ends.losses, ends.received) == (1, [])


def test_a_closed_peer_is_sent_nothing(ends: Ends) -> None:
    ends.theirs.close()
    ends.loop.wait(None)

    ends.peer.send(Status(state="ready"))
    ends.peer.close()

    assert ends.losses == 1


def test_a_descriptor_that_an_earlier_callback_closed_is_passed_over() -> None:
    loop = EventLoop()
    pairs = [socket.socketpair() for _ in range(2)]
    peers: list[PeerSocket[Status]] = []

    def close_the_other(status: Status) -> None:
        peers[1 if status.state == "loading" else 0].close()

    peers += [PeerSocket(loop, ours, Status, close_the_other, lambda: None) for ours, _ in pairs]
    for (_, theirs), state in zip(pairs, ("loading", "ready"), strict=True):
        theirs.send(encode(Status(state=state)))  # type: ignore[arg-type]

    loop.wait(None)

    assert sorted(peer.is_open for peer in peers) == [False, True]
    for peer, (_, theirs) in zip(peers, pairs, strict=True):
        peer.close()
        theirs.close()
    loop.close()
