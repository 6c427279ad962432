"""The reply cache: which requests are equal, what a failing backend does, and single flight."""

import dataclasses
import io
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.codecs.json import decode
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.cache import (
    MessagePackSerializer,
    PassThroughSerializer,
    ReplyCache,
    SingleFlight,
)
from aylien_model_serving.dispatch.cache_keys import cache_key

CALL = Call("POST", "/p", "a=1", {}, b"", {}, "id")
REPLY = Reply(200, b"{}", "application/json")

FIELDS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


def shuffled(value: Any, draw: Any) -> Any:
    """Return an equal value whose objects have their fields in another order."""
    if isinstance(value, dict):
        names = draw(st.permutations(list(value)))
        return {name: shuffled(value[name], draw) for name in names}
    if isinstance(value, list):
        return [shuffled(item, draw) for item in value]
    return value


@given(FIELDS, st.data())
def test_the_order_of_fields_and_white_space_make_no_other_key(fields: Any, data: st.DataObject) -> None:
    one = decode(json.dumps(fields).encode()).values
    other = decode(json.dumps(shuffled(fields, data.draw), indent=3, ensure_ascii=False).encode()).values

    assert cache_key("p", CALL, one, "a/b") == cache_key("p", CALL, other, "a/b")


def exact(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@given(FIELDS, FIELDS)
def test_different_fields_make_different_keys(one: Any, other: Any) -> None:
    same = cache_key("p", CALL, one, "a/b") == cache_key("p", CALL, other, "a/b")

    assert same == (exact(one) == exact(other))


@pytest.mark.parametrize(
    ("owner", "call", "arguments", "media_type"),
    [
        ("q", CALL, {"x": 1}, "a/b"),
        ("p", dataclasses.replace(CALL, path="/q"), {"x": 1}, "a/b"),
        ("p", dataclasses.replace(CALL, query="a=2"), {"x": 1}, "a/b"),
        ("p", dataclasses.replace(CALL, query=""), {"x": 1}, "a/b"),
        ("p", dataclasses.replace(CALL, method="PUT"), {"x": 1}, "a/b"),
        ("p", dataclasses.replace(CALL, path="/pa", query="=1"), {"x": 1}, "a/b"),
        ("p", CALL, {"x": 2}, "a/b"),
        ("p", CALL, {"y": 1}, "a/b"),
        ("p", CALL, {}, "a/b"),
        ("p", CALL, {"x": 1}, "a/c"),
    ],
)
def test_each_part_of_a_request_makes_another_key(
    owner: str, call: Call, arguments: dict[str, Any], media_type: str
) -> None:
    assert cache_key(owner, call, arguments, media_type) != cache_key("p", CALL, {"x": 1}, "a/b")


def test_what_is_no_part_of_the_request_makes_no_other_key() -> None:
    other = dataclasses.replace(CALL, request_id="other", headers={"user-agent": "x"}, deadline=3.0)

    assert cache_key("p", other, {}, "a/b") == cache_key("p", CALL, {}, "a/b")


class MemoryBackend:
    """A backend that records the timeouts it is given."""

    def __init__(self) -> None:
        self.entries: dict[str, Any] = {}
        self.timeouts: list[float | None] = []

    def get(self, key: str) -> Any:
        return self.entries.get(key)

    def set(self, key: str, value: Any, timeout: float | None = None) -> None:
        self.entries[key] = value
        self.timeouts.append(timeout)


class BrokenBackend:
    def get(self, key: str) -> Any:
        raise ConnectionError("no cache")

    def set(self, key: str, value: Any, timeout: float | None = None) -> None:
        raise ConnectionError("no cache")


def test_a_reply_is_stored_with_its_media_type_and_timeout() -> None:
    backend = MemoryBackend()
    cache = ReplyCache(backend, SingleFlight(), timeout=60)

    assert cache.get("k") is None
    cache.put("k", Reply(200, b"\x00", "application/x-protobuf"))

    assert cache.get("k") == Reply(200, b"\x00", "application/x-protobuf")
    assert backend.timeouts == [60]


def test_a_backend_that_fails_is_a_miss(caplog: pytest.LogCaptureFixture) -> None:
    cache = ReplyCache(BrokenBackend(), SingleFlight())

    cache.put("k", REPLY)

    assert cache.get("k") is None
    assert len(caplog.records) == 2


def test_an_entry_of_another_writer_is_a_miss() -> None:
    backend = MemoryBackend()
    backend.entries["k"] = "something"

    assert ReplyCache(backend, SingleFlight()).get("k") is None


def test_the_first_of_equal_requests_leads_and_the_others_wait_for_it() -> None:
    single_flight = SingleFlight()

    assert single_flight.join("k") is None
    waiting = [single_flight.join("k") for _ in range(3)]
    assert single_flight.join("other") is None
    single_flight.complete("k", REPLY)

    assert [flight.result(0) for flight in waiting if flight] == [REPLY] * 3
    assert single_flight.join("k") is None


def test_an_error_reaches_all_that_wait() -> None:
    single_flight = SingleFlight()
    single_flight.join("k")
    waiting = single_flight.join("k")

    single_flight.complete("k", ValueError("broken"))

    assert waiting is not None
    with pytest.raises(ValueError, match="broken"):
        waiting.result(0)


def test_of_many_threads_one_leads() -> None:
    single_flight, start, all_joined = SingleFlight(), threading.Barrier(8), threading.Barrier(8)
    replies: list[Reply | None] = []

    def request() -> None:
        start.wait(10)
        flight = single_flight.join("k")
        all_joined.wait(10)
        if flight is None:
            single_flight.complete("k", REPLY)
        else:
            replies.append(flight.result(10))

    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert replies == [REPLY] * 7


def test_msgpack_entries_are_read_back_without_running_anything() -> None:
    serializer, file = MessagePackSerializer(), io.BytesIO()

    serializer.dump(["application/json", b"\x00{}"], file)
    file.seek(0)

    assert serializer.load(file) == ["application/json", b"\x00{}"]
    assert serializer.loads(serializer.dumps(("a", b"b"))) == ["a", b"b"]
    assert serializer.loads(None) is None


@pytest.mark.parametrize("foreign", [b"\x80\x04\x95\x05\x00\x00\x00.", b"", b"\xc1"])
def test_bytes_of_another_writer_are_a_miss(foreign: bytes) -> None:
    assert MessagePackSerializer().loads(foreign) is None


def test_replies_within_a_process_are_stored_as_they_are() -> None:
    answer = ("application/json", b"{}")

    assert PassThroughSerializer().loads(PassThroughSerializer().dumps(answer)) is answer
