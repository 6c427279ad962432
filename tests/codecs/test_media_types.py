"""Which decoder a body gets, and which encoder an Accept header."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from aylien_model_serving import codecs
from aylien_model_serving.codecs import JSON, Encoder, json
from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import MalformedBody, UnsupportedMediaType

BINARY = Encoder("application/x-protobuf", json.encode)


def call(body: bytes = b"", method: str = "POST", query: str = "", **headers: str) -> Call:
    by_name = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call(method, "/", query, by_name, body, {}, "id")


def decode(asked: Call) -> Any:
    return codecs.decode(asked, codecs.DECODERS).values


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "Application/JSON; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/vnd.api+json",
        "image/png",
        "nonsense",
    ],
)
def test_json_is_read_whatever_its_media_type(content_type: str) -> None:
    assert decode(call(b'{"a": 1}', content_type=content_type)) == {"a": 1}


def test_a_form_is_read_by_its_media_type() -> None:
    assert decode(call(b"a=1", content_type="application/x-www-form-urlencoded; charset=utf-8")) == {"a": "1"}


@pytest.mark.parametrize("content_type", ["", "application/json", "application/vnd.api+json"])
def test_a_body_that_is_declared_json_and_is_not_is_malformed(content_type: str) -> None:
    with pytest.raises(MalformedBody):
        decode(call(b"{", content_type=content_type))


def test_a_body_of_an_unknown_media_type_is_unsupported() -> None:
    with pytest.raises(UnsupportedMediaType, match="'image/png'"):
        decode(call(b"\x89PNG", content_type="image/png"))


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_the_fields_of_a_request_without_body_come_from_its_query(method: str) -> None:
    found = codecs.decode(call(method=method, query="a=1"), codecs.DECODERS)

    assert found.textual
    assert found.values == {"a": "1"}


def test_a_body_counts_more_than_the_query() -> None:
    assert decode(call(b'{"a": 1}', method="DELETE", query="a=2")) == {"a": 1}


def test_a_post_with_a_query_needs_no_body() -> None:
    assert decode(call(query="a=1")) == {}
    with pytest.raises(MalformedBody, match="empty"):
        decode(call())


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", JSON),
        ("application/x-protobuf", BINARY),
        ("Application/X-Protobuf", BINARY),
        ("application/json", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/html", JSON),
        ("application/x-protobuf, */*", BINARY),
        ("*/*, application/x-protobuf", JSON),
        ("application/json, application/x-protobuf", JSON),
        ("application/x-protobuf, application/json", BINARY),
        ("application/json;q=0.5, application/x-protobuf;q=0.9", BINARY),
        ("application/x-protobuf;q=0.5, */*", JSON),
        ("application/json;q=0.1, */*;q=0.5", BINARY),
        ("application/json;q=0, */*", BINARY),
        ("application/x-protobuf;q=0", JSON),
        ("application/x-protobuf;q=oops", JSON),
        (",;,", JSON),
    ],
)
def test_the_accept_header_chooses_the_media_type_of_the_answer(accept: str, chosen: Encoder) -> None:
    assert codecs.choose_encoder(accept, (JSON, BINARY)) is chosen


def test_a_route_with_one_encoder_uses_it_whatever_accept_says() -> None:
    assert codecs.choose_encoder("application/x-protobuf", (JSON,)) is JSON


RANGES = st.lists(
    st.tuples(
        st.sampled_from(["application/json", "application/x-protobuf", "application/*", "*/*", "text/html"]),
        st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    ),
    max_size=5,
    unique_by=lambda item: item[0],
)


@given(RANGES)
def test_the_chosen_media_type_has_the_best_weight_that_werkzeug_finds(
    ranges: list[tuple[str, float]],
) -> None:
    accept = ", ".join(f"{name};q={weight}" for name, weight in ranges)
    parsed = parse_accept_header(accept, MIMEAccept)

    chosen = codecs.choose_encoder(accept, (JSON, BINARY))

    # Werkzeug gives the first range that matches, ordered by how specific and then by how wanted it is.
    if accept:
        best = max(parsed.quality(JSON.media_type), parsed.quality(BINARY.media_type))
        assert parsed.quality(chosen.media_type) == best


def test_preferred_media_types_are_sorted_by_weight_then_by_place() -> None:
    accept = "a/a;q=0.2, b/b, c/c;q=0, d/d;q=1.0, e/e;level=1;q=0.2"

    assert codecs.preferred_media_types(accept) == ["b/b", "d/d", "a/a", "e/e"]
