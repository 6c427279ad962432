import pytest

from aylien_model_serving.serverless.replies import EventReader, StreamEvent, error_of, value_of

STREAM = (
    b'data: 1\n\n: still here\n\nevent: error\ndata: {"error": "no"}\n\ndata: two\ndata: lines\nid: 5\n\n'
)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_read_from_pieces_of_any_size(size: int) -> None:
    reader = EventReader()

    events = [event for at in range(0, len(STREAM), size) for event in reader.feed(STREAM[at : at + size])]

    assert events == [
        StreamEvent("item", 1),
        StreamEvent("error", {"error": "no"}),
        StreamEvent("item", "two\nlines"),
    ]


@pytest.mark.parametrize(
    ("body", "media_type", "value"),
    [
        (b'{"a": 1}', "application/json", {"a": 1}),
        (b'{"a": 1}', "application/problem+json; charset=utf-8", {"a": 1}),
        ("Öl".encode(), "text/plain; charset=utf-8", "Öl"),
        (b"\x00", "image/png", {"content_type": "image/png", "content": "AA=="}),
        (b"", "", None),
    ],
)
def test_a_body_becomes_a_value(body: bytes, media_type: str, value: object) -> None:
    assert value_of(body, media_type) == value


@pytest.mark.parametrize("body", [b"<h1>Bad gateway</h1>", b"[]", b'{"message": "no"}', b""])
def test_a_page_of_somebody_elses_is_an_error_by_its_status(body: bytes) -> None:
    assert error_of(body, 502) == {"error": "The service answered with status 502", "status": 502}
