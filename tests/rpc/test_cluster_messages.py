"""Messages between a gateway and replicas on other machines."""

import uuid

import pytest

from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.rpc import cluster_messages, protocol
from aylien_model_serving.rpc.cluster_messages import ReplicaCounts
from aylien_model_serving.rpc.headers import VALUES, WireError


def frame_of(call: Call, number: int = 7) -> protocol.Frame:
    return protocol.decode_frame(b"".join(protocol.encode_call(number, call, False)))


def a_call(**fields: object) -> Call:
    values = {"body": b"{}", "path_values": {}, "method": "POST", "deadline": None, **fields}
    return Call(path="/p", query="a=1", headers={"content-type": "x/y"}, request_id="id", **values)  # type: ignore[arg-type]


def test_calls_arrive_as_they_were_sent_but_for_their_numbers() -> None:
    values = {"id": uuid.UUID(int=5), "n": 1 << 70}
    frames = [frame_of(a_call(body=body, path_values=values)) for body in (b"", b"1" * 100_000)]

    sent = [
        cluster_messages.encode_call(place, each, None, suspect=True) for place, each in enumerate(frames)
    ]
    found = cluster_messages.decode_calls(b"".join(sent))

    assert [frame.number for frame in found] == [0, 1]
    assert [protocol.decode_call(frame) for frame in found] == [
        (protocol.decode_call(frame)[0], True) for frame in frames
    ]


@pytest.mark.parametrize(("left", "found"), [(12.0, 1012.0), (0.0, 1000.0), (None, None)])
def test_a_deadline_crosses_as_the_seconds_that_are_left(left: float | None, found: float | None) -> None:
    sent = cluster_messages.encode_call(0, frame_of(a_call(deadline=5.0)), left, suspect=False)

    [frame] = cluster_messages.decode_calls(sent)

    assert protocol.decode_call(frame, lambda: 1000.0)[0].deadline == found


def test_values_arrive_in_memory_that_can_be_written_to() -> None:
    sent = cluster_messages.encode_call(0, frame_of(a_call(method=VALUES)), None, suspect=False)

    [frame] = cluster_messages.decode_calls(sent)

    assert not memoryview(frame.body).readonly


def test_replies_are_passed_on_under_other_numbers() -> None:
    counts = ReplicaCounts("a", [0.5], [(2, 0.25)], 1, 2)
    frames = [
        *protocol.encode_reply(0, Reply(200, b"ab")),
        *protocol.encode_reply(1, Reply(500, b"c" * 20_000)),
    ]

    found, rest = cluster_messages.decode_replies(cluster_messages.encode_replies(counts, frames))
    passed = [
        protocol.decode_frame(b"".join(piece.renumbered(piece.number + 70)))
        for piece in cluster_messages.pieces(rest)
    ]

    assert found == counts
    assert [(frame.number, protocol.decode_reply(frame).status) for frame in passed] == [(70, 200), (71, 500)]
    assert passed[1].body == b"c" * 20_000


@pytest.mark.parametrize("data", [b"", b"\x01\x00\x00\x00", b"\x05\x00\x00\x00\x90\x90\x90\x90\x90"])
def test_what_is_no_message_of_replies_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        cluster_messages.decode_replies(data)


@pytest.mark.parametrize("cut", [1, 10, 25])
def test_a_message_that_ends_within_a_frame_is_refused(cut: int) -> None:
    sent = cluster_messages.encode_call(0, frame_of(a_call()), None, suspect=False)

    with pytest.raises(WireError):
        cluster_messages.decode_calls(sent[:-cut])


def test_a_message_with_a_frame_of_an_unknown_kind_is_refused() -> None:
    sent = cluster_messages.encode_call(0, frame_of(a_call()), None, suspect=False)

    with pytest.raises(WireError, match="no frame of kind 99"):
        cluster_messages.decode_calls(bytes([99]) + sent[1:])
