"""Frames: calls and replies come back from their bytes, however these are cut."""

import contextlib
import dataclasses
import random
import struct
import tracemalloc
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import BadRequest, BodyTooLarge
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.headers import CallHeader, decode
from aylien_model_serving.rpc.protocol import Frame, FrameDecoder, WireError

PREFIX = struct.Struct("<BIQQ")

call_numbers = st.integers(0, 2**64 - 1)
texts = st.text(max_size=20)
bodies = st.binary(max_size=40) | st.integers(1, 200_000).map(lambda size: b"b" * size)
path_values = st.dictionaries(
    texts, texts | st.integers() | st.floats(allow_nan=False) | st.uuids(), max_size=3
)
headers = st.fixed_dictionaries({}, optional={"content-type": texts, "accept": texts})
deadlines = st.none() | st.floats(allow_nan=False)
codings, limits = st.none() | texts, st.none() | st.integers(0, 2**40)
calls = st.builds(
    Call, texts, texts, texts, headers, bodies, path_values, texts, deadlines, texts, codings, limits
)
replies = st.builds(
    Reply,
    st.integers(100, 599),
    bodies,
    texts,
    st.lists(st.tuples(texts, texts)),
    varies_by=st.lists(texts).map(tuple),
)
encoded = st.one_of(
    st.builds(protocol.encode_call, call_numbers, calls, st.booleans()),
    st.builds(protocol.encode_reply, call_numbers, replies, st.booleans()),
    st.builds(protocol.encode_cancel, call_numbers),
    st.builds(protocol.encode_credit, call_numbers, st.integers(1, 1000)),
    st.builds(protocol.encode_item, call_numbers, bodies),
    st.builds(protocol.encode_end, call_numbers),
    st.builds(protocol.encode_refused, call_numbers),
)


def a_call(body: bytes = b"", **values: Any) -> Call:
    return Call(
        "POST", "/path", "q=1", {"content-type": "text/plain", "cookie": "c"}, body, values, "id", 1.5
    )


def feed(frames: FrameDecoder, data: bytes, cuts: Iterable[int] = ()) -> list[Frame]:
    """Return the frames of bytes that arrive in pieces of the given sizes, the rest in few."""
    found, rest, sizes = [], memoryview(data), iter(cuts)
    while rest:
        buffer = frames.get_buffer()
        assert len(buffer)
        size = min(len(buffer), len(rest), next(sizes, len(rest)))
        buffer[:size] = rest[:size]
        rest = rest[size:]
        found += frames.buffer_updated(size)
    return found


def one(buffers: list[Any]) -> Frame:
    [frame] = feed(FrameDecoder(), b"".join(buffers))
    return frame


@given(st.lists(encoded, max_size=8), st.randoms(use_true_random=False))
def test_the_same_frames_come_out_however_the_bytes_are_cut(
    several: list[list[bytes]], chance: random.Random
) -> None:
    alone = [one(buffers) for buffers in several]
    data = b"".join(b"".join(buffers) for buffers in several)

    pieces = (chance.choice((1, 2, 20, 21, 22, 1000, 70_000)) for _ in range(500))

    assert feed(FrameDecoder(), data, pieces) == alone


def test_small_frames_come_out_when_every_byte_comes_alone() -> None:
    data = b"".join(b"".join(protocol.encode_call(n, a_call(b"body", x=n), False)) for n in range(5))

    found = feed(FrameDecoder(), data, [1] * len(data))

    assert [frame.number for frame in found] == [0, 1, 2, 3, 4]


@given(call_numbers, calls, st.booleans())
def test_a_call_comes_back(number: int, call: Call, suspect: bool) -> None:
    frame = one(protocol.encode_call(number, call, suspect, clock=lambda: 0.0))

    assert frame.kind == protocol.CALL
    assert frame.number == number
    expected = call if call.deadline is None else dataclasses.replace(call, deadline=max(0.0, call.deadline))
    assert protocol.decode_call(frame, clock=lambda: 0.0) == (expected, suspect)


#: Seconds since a machine was started, by which the monotonic clocks of two machines differ.
uptimes = st.floats(0, 1e9)


@given(uptimes, uptimes, uptimes, st.floats(-100, 1e6), st.floats(0, 100))
def test_a_deadline_is_no_later_on_another_clock_than_by_the_time_on_the_way(
    now: float, sender: float, receiver: float, left: float, on_the_way: float
) -> None:
    call = dataclasses.replace(a_call(), deadline=now + sender + left)

    frame = one(protocol.encode_call(1, call, False, clock=lambda: now + sender))
    arrived, _ = protocol.decode_call(frame, clock=lambda: now + on_the_way + receiver)

    assert arrived.deadline is not None
    arrived_at, due = arrived.deadline - receiver, now + max(0.0, left)
    rounding = 1e-5  # of times up to 2e9, of which doubles keep 2.4e-7
    assert due - rounding <= arrived_at <= due + on_the_way + rounding


@pytest.mark.parametrize("seconds", [-1.0, -0.001, float("-inf"), float("nan")])
def test_seconds_that_no_sender_counts_are_refused(seconds: float) -> None:
    header = CallHeader("POST", "/", "", None, None, None, {}, "id", seconds, False)

    with pytest.raises(WireError):
        decode(protocol.CALL, memoryview(msgspec.msgpack.encode(header)))


@given(call_numbers, replies)
def test_a_reply_comes_back(number: int, reply: Reply) -> None:
    frame = one(protocol.encode_reply(number, reply))

    assert (frame.kind, frame.number) == (protocol.REPLY, number)
    assert protocol.decode_reply(frame) == reply


def test_the_header_of_a_stream_is_sent_without_its_body() -> None:
    frame = one(protocol.encode_reply(3, Reply(200, b"", "text/event-stream", [("a", "b")]), stream=True))

    assert frame.kind == protocol.STREAM
    assert protocol.decode_reply(frame) == Reply(200, b"", "text/event-stream", [("a", "b")])


@pytest.mark.parametrize(
    ("buffers", "frame"),
    [
        (protocol.encode_cancel(5), Frame(protocol.CANCEL, 5, None, b"")),
        (protocol.encode_credit(5, 8), Frame(protocol.CREDIT, 5, 8, b"")),
        (protocol.encode_item(5, b"data"), Frame(protocol.ITEM, 5, None, b"data")),
        (protocol.encode_end(5), Frame(protocol.END, 5, None, b"")),
        (protocol.encode_refused(5), Frame(protocol.REFUSED, 5, None, b"")),
    ],
)
def test_a_frame_without_a_call_or_reply_comes_back(buffers: list[Any], frame: Frame) -> None:
    assert one(buffers) == frame


def test_of_the_headers_those_of_content_negotiation_are_sent() -> None:
    call, _ = protocol.decode_call(one(protocol.encode_call(1, a_call(), False)))

    assert call.headers == {"content-type": "text/plain"}


@pytest.mark.parametrize("value", [True, None, b"bytes", ["list"], Path("/"), object()])
def test_a_path_value_of_another_type_is_refused_with_the_fix(value: object) -> None:
    with pytest.raises(TypeError, match=r"path value 'x' .*converter"):
        protocol.encode_call(1, a_call(x=value), False)


def test_path_values_keep_their_types() -> None:
    values = {"u": uuid.UUID(int=7), "big": 10**40, "low": -(10**40), "i": 1, "f": 1.0, "s": "1"}

    call, _ = protocol.decode_call(one(protocol.encode_call(1, a_call(**values), False)))

    assert call.path_values == values
    assert [type(value) for value in call.path_values.values()] == [type(value) for value in values.values()]


def test_half_of_a_surrogate_pair_is_the_clients_fault() -> None:
    with pytest.raises(BadRequest):
        protocol.encode_call(1, a_call(x="\ud800"), False)


class Endless(bytes):
    """Says that it is larger than a body may be."""

    def __len__(self) -> int:
        return protocol.MAX_BODY_SIZE + 1


def test_what_is_over_the_limits_is_not_sent() -> None:
    with pytest.raises(BodyTooLarge):
        protocol.encode_call(1, a_call(Endless()), False)
    with pytest.raises(WireError, match="too large"):
        protocol.encode_reply(1, Reply(200, Endless()))
    with pytest.raises(WireError, match="too large"):
        protocol.encode_reply(1, Reply(200, b"", headers=[("x", "y" * protocol.MAX_HEADER_SIZE)]))


@pytest.mark.parametrize(
    ("kind", "header", "body"),
    [
        (0, 0, 0),
        (99, 0, 0),
        (protocol.CALL, protocol.MAX_HEADER_SIZE + 1, 0),
        (protocol.CALL, 2**32 - 1, 2**64 - 1),
        (protocol.REPLY, 10, protocol.MAX_BODY_SIZE + 1),
        (protocol.ITEM, 0, 2**63),
    ],
)
def test_a_prefix_that_claims_too_much_is_refused_before_anything_is_made_for_it(
    kind: int, header: int, body: int
) -> None:
    frames = FrameDecoder()

    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            feed(frames, PREFIX.pack(kind, header, 1, body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100_000


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        (protocol.CALL, b""),
        (protocol.CALL, b"\xc1"),
        (protocol.CALL, b"\x93\x01\x02\x03"),
        (protocol.REPLY, b"\x93\xa1x\xa1y\x90"),
        (protocol.CREDIT, b"\x00"),
        (protocol.CREDIT, b"\xff"),
        (protocol.CANCEL, b"\x01"),
        (protocol.END, b"\xc0"),
    ],
)
def test_a_header_that_cannot_be_decoded_is_refused(kind: int, header: bytes) -> None:
    with pytest.raises(WireError):
        feed(FrameDecoder(), PREFIX.pack(kind, len(header), 1, 0) + header)


@given(st.binary(max_size=200), st.randoms(use_true_random=False))
def test_random_bytes_are_frames_or_a_wire_error(garbage: bytes, chance: random.Random) -> None:
    frames = FrameDecoder()

    with contextlib.suppress(WireError):
        feed(frames, garbage, (chance.randint(1, 30) for _ in range(200)))


@given(calls, st.data())
def test_a_flipped_bit_is_no_crash(call: Call, data: st.DataObject) -> None:
    damaged = bytearray(b"".join(protocol.encode_call(1, call, False)))
    damaged[data.draw(st.integers(0, min(len(damaged), 200) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with contextlib.suppress(WireError):
        feed(FrameDecoder(), bytes(damaged))


def test_a_large_body_is_allocated_once_and_received_where_it_stays() -> None:
    size = 16 << 20
    [header, body] = protocol.encode_call(1, a_call(bytes(size)), False)
    frames = FrameDecoder()
    tracemalloc.start()
    try:
        assert feed(frames, bytes(header)) == []
        assert len(frames.get_buffer()) == size - 1
        assert frames.buffer_updated(size - 1) == []
        [frame] = feed(frames, b"\0")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert frame.body == body
    assert type(frame.body) is bytes
    assert size <= peak < size + (1 << 20)


def test_a_decoder_keeps_no_memory_of_what_it_has_decoded() -> None:
    frames = FrameDecoder()
    feed(frames, b"".join(protocol.encode_reply(1, Reply(200, b"x", headers=[("a", "b" * 900_000)]))))
    feed(frames, b"".join(protocol.encode_reply(2, Reply(200, bytes(5 << 20)))))
    tracemalloc.start()
    try:
        for n in range(2000):
            feed(frames, b"".join(protocol.encode_reply(n, Reply(200, bytes(1000)))), [700])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held < 100_000
    assert len(frames.get_buffer()) <= 1 << 18


def test_a_large_header_is_decoded() -> None:
    reply = Reply(200, b"body", headers=[("a", "b" * 900_000)])
    data = (
        b"".join(protocol.encode_cancel(1))
        + b"".join(protocol.encode_reply(2, reply))
        + b"".join(protocol.encode_end(3))
    )

    found = feed(FrameDecoder(), data, [100] * 5)

    assert [frame.number for frame in found] == [1, 2, 3]
    assert protocol.decode_reply(found[1]) == reply


def test_what_an_earlier_version_has_kept_of_a_call_and_of_a_reply_is_read() -> None:
    call = msgspec.msgpack.encode(["POST", "/p", "", None, None, None, {}, "id", None, False])
    reply = msgspec.msgpack.encode([200, "text/plain", []])

    read_call = decode(protocol.CALL, memoryview(call))
    read_reply = decode(protocol.REPLY, memoryview(reply))

    assert (read_call.path, read_call.caller) == ("/p", "")
    assert (read_reply.status, read_reply.varies_by) == (200, ())
