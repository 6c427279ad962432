"""Random paths, queries, headers and bodies are answered alike by all adapters."""

from __future__ import annotations

import json
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.adapters import ADAPTERS, Request, ServiceByAdapter, frozen_signatures
from tests.contracts.cases import MULTIPART
from tests.contracts.services import service
from tests.selection import examples

PATHS = (  # noqa: SIM905  # one line a path would be a page
    "/echo /open /async /detect /upload /cached /untracked /refuse /view /view-with-schema /search "
    "/cached-search /response /request /made /after /greet/en/7 /files/a/b /folder/en /none"
).split()
NAMES = ("text", "times", "title", "q", "limit", "file", "label", "number", "ü", "")
MEDIA_TYPES = (
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "application/x-protobuf",
    "multipart/form-data; boundary=cut",
    "text/plain; charset=latin-1",
)
RANGES = ("", "*/*", "application/x-protobuf", "application/problem+json, */*;q=0.1", "text/html;q=x")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
fields = st.dictionaries(st.sampled_from(NAMES), values, max_size=3)
pairs = st.lists(st.tuples(st.sampled_from(NAMES), st.text(max_size=5) | st.integers()), max_size=3)
media_types = st.sampled_from(MEDIA_TYPES) | st.text(st.characters(min_codepoint=32, max_codepoint=255))
bodies = st.one_of(
    fields.map(lambda found: json.dumps(found).encode()),
    pairs.map(lambda found: urllib.parse.urlencode(found).encode()),
    st.binary(max_size=64),
    st.builds(lambda at, byte: MULTIPART[:at] + byte + MULTIPART[at:], st.integers(0, 200), st.binary()),
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    media_type, accept = draw(media_types), draw(st.sampled_from(RANGES))
    headers = [("content-type", media_type)] if media_type else []
    headers += [("accept", accept)] if accept else []
    query = urllib.parse.urlencode(draw(pairs))
    return Request(
        draw(st.sampled_from(("POST", "POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS"))),
        draw(st.sampled_from(PATHS)) + (f"?{query}" if query else ""),
        draw(bodies),
        tuple(headers),
        chunked=draw(st.booleans()),
    )


@pytest.fixture(scope="module")
def by_adapter() -> ServiceByAdapter:
    return ServiceByAdapter(service, {"MODEL_SERVING_EXPOSE_ERRORS": "1"})


@settings(max_examples=examples(300))
@given(request=requests())
def test_random_requests_are_answered_alike(by_adapter: ServiceByAdapter, request: Request) -> None:
    with frozen_signatures():
        reference, *others = [by_adapter.send(adapter, request) for adapter in ADAPTERS]

    assert others == [reference] * len(others)
