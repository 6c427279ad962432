"""Items are found in a body however it is cut into pieces."""

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.client import ReceivedFile
from aylien_model_serving.client.effects import ApiResponse
from aylien_model_serving.client.errors import NotUnderstood
from aylien_model_serving.client.streams import Decoder, Event, EventDecoder, NdjsonDecoder, stream_items
from aylien_model_serving.errors import InvalidRequest
from tests.client.script import Script, streamed

ERROR = '{"error":"no letter","code":"invalid_request","request_id":"demo"}'


def cut(body: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(body) + 1) for place in places} | {0, len(body)})
    return [body[start:end] for start, end in pairwise(ends)]


@given(values=st.lists(st.text() | st.integers()), places=st.lists(st.integers(0, 500)))
def test_events_are_found_in_whatever_pieces_they_come(values: list[object], places: list[int]) -> None:
    body = "".join(f": alive\n\ndata: {json.dumps(value, ensure_ascii=False)}\n\n" for value in values)
    decoder = EventDecoder()

    found = [event for piece in cut(body.encode(errors="replace"), places) for event in decoder.feed(piece)]

    reported = [
        json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace")) for value in values
    ]
    assert [json.loads(event.data) for event in found] == reported


@given(values=st.lists(st.text() | st.integers()), places=st.lists(st.integers(0, 500)))
def test_lines_are_found_in_whatever_pieces_they_come(values: list[object], places: list[int]) -> None:
    body = "\n".join(json.dumps(value) for value in values).encode()
    decoder = NdjsonDecoder()

    found = [event for piece in cut(body, places) for event in decoder.feed(piece)] + decoder.end()

    assert [json.loads(event.data) for event in found] == values


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_end_their_lines_in_any_way_that_the_standard_knows(end: str) -> None:
    decoder = EventDecoder()

    found = decoder.feed(
        f"\ufeffevent: progress{end}data: a{end}data:b{end}id: 1{end}{end}data: c{end}{end}x".encode()
    )

    assert found == [Event("progress", "a\nb"), Event("message", "c")]


def test_a_line_end_that_is_cut_in_two_is_one() -> None:
    decoder = EventDecoder()

    found = [
        event for piece in (b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") for event in decoder.feed(piece)
    ]

    assert found == [Event("message", "a\nb")]


@pytest.mark.parametrize(
    ("decoder", "pieces", "end"), [(EventDecoder(), 30, b"\n\n"), (NdjsonDecoder(), 4000, b"\n")]
)
def test_an_item_of_many_pieces_takes_linear_time(decoder: Decoder, pieces: int, end: bytes) -> None:
    piece = b"x" * 4000
    began = time.process_time()

    found = [event for _ in range(pieces) for event in decoder.feed(piece)] + decoder.feed(end)

    assert time.process_time() - began < 5
    assert len(found) == isinstance(decoder, NdjsonDecoder)


def test_an_event_without_its_end_is_none() -> None:
    decoder = EventDecoder()

    assert decoder.feed(b"data: half") + decoder.end() == []


def test_an_error_event_is_raised_after_the_items_before_it() -> None:
    script = Script()
    answer = streamed([b'data: {"letter":"a"}\n\n', f"event: error\ndata: {ERROR}\n\n".encode()])

    with pytest.raises(InvalidRequest, match="no letter") as raised:
        script.run(stream_items(answer, 60))

    assert script.items == [{"letter": "a"}]
    assert vars(raised.value)["request_id"] == "demo"


def test_an_item_that_looks_like_an_error_is_an_item_where_events_have_names() -> None:
    script = Script()

    script.run(stream_items(streamed([f"data: {ERROR}\n\n".encode()]), 60))

    assert script.items == [json.loads(ERROR)]


def test_a_last_line_that_is_an_error_is_raised() -> None:
    script = Script()
    answer = ApiResponse(
        200, {"content-type": "application/x-ndjson"}, reader=iter([b"1\n2\n", ERROR.encode()])
    )

    with pytest.raises(InvalidRequest, match="no letter"):
        script.run(stream_items(answer, 60))

    assert script.items == [1, 2]


def test_files_among_the_items_are_files() -> None:
    script = Script()
    file = {"file_name": "a.txt", "content_type": "text/plain", "content": "aGVsbG8="}

    script.run(stream_items(streamed([f"data: {json.dumps(file)}\n\n".encode()]), 60))

    assert script.items == [ReceivedFile(b"hello", "text/plain", "a.txt")]


def test_an_item_that_is_no_json_is_not_understood() -> None:
    script = Script()

    with pytest.raises(NotUnderstood, match="is not"):
        script.run(stream_items(streamed([b"data: <html>\n\n"]), 60))
