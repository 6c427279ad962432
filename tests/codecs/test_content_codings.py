"""Bodies with a content coding: what is in them, or why they are refused, before more comes out than may."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aylien_model_serving.codecs import content_codings
from aylien_model_serving.codecs.content_codings import MAX_MEMBERS, accepted, unpacked
from aylien_model_serving.errors import BodyTooLarge, MalformedBody, UnsupportedCoding
from tests.with_packages import need

LIMIT = 2_000_000


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def _br(body: bytes) -> bytes:
    import brotli

    packed: bytes = brotli.compress(body, quality=4)
    return packed


def _zstd(body: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(body)


#: How a client packs, by the name of the coding and a word.
PACKERS: dict[tuple[str, str], Callable[[bytes], bytes]] = {
    ("gzip", ""): gzip.compress,
    ("x-gzip", ""): gzip.compress,
    ("GZip", ""): gzip.compress,
    ("deflate", "zlib"): zlib.compress,
    ("deflate", "raw"): _raw_deflate,
    ("br", ""): _br,
    ("zstd", ""): _zstd,
}
PACKAGES = {"br": "brotli", "zstd": "zstandard"}

each_packer = pytest.mark.parametrize(
    ("coding", "pack"), [(*key[:1], pack) for key, pack in PACKERS.items()], ids=[*map("-".join, PACKERS)]
)


@pytest.fixture(autouse=True)
def _packages(request: pytest.FixtureRequest) -> None:
    """Need the package of a test's coding."""
    given_coding = getattr(request.node, "callspec", None)
    coding = given_coding.params.get("coding", "") if given_coding else ""
    if coding in PACKAGES:
        need(PACKAGES[coding])


@each_packer
@pytest.mark.parametrize("size", [0, 1, 70_000, LIMIT], ids=str)
def test_a_body_is_unpacked(coding: str, pack: Any, size: int) -> None:
    body = random.Random(size).randbytes(size // 2) + bytes(size - size // 2)

    assert unpacked(pack(body), coding, LIMIT) == body


@each_packer
def test_a_bomb_is_refused_before_it_takes_memory(coding: str, pack: Any) -> None:
    bomb = pack(bytes(60_000_000))
    unpacked(pack(b"a"), coding, LIMIT)

    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge, match="2,000,000 bytes"):
            unpacked(bomb, coding, LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(bomb) < 100_000
    assert peak < 3 * LIMIT


@each_packer
def test_a_body_that_is_cut_or_goes_on_is_malformed(coding: str, pack: Any) -> None:
    packed = pack(random.Random(0).randbytes(150_000))

    for broken in (packed[:-1], packed[:70_000], packed[:1], packed + b"x" * 70_000):
        with pytest.raises(MalformedBody, match="The body is no "):
            unpacked(broken, coding, LIMIT)


@each_packer
def test_a_body_that_was_never_packed_is_malformed(coding: str, pack: Any) -> None:
    with pytest.raises(MalformedBody, match="The body is no "):
        unpacked(b'{"text": "as it is"}', coding, LIMIT)


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", _zstd)])
def test_members_are_joined_up_to_a_number_of_them(coding: str, pack: Any) -> None:
    assert unpacked(pack(b"a") * 3, coding, LIMIT) == b"aaa"
    assert unpacked(pack(b"") * MAX_MEMBERS, coding, LIMIT) == b""
    with pytest.raises(MalformedBody, match="too many"):
        unpacked(pack(b"") * (MAX_MEMBERS + 1), coding, LIMIT)


def test_two_codings_are_taken_off_in_turn() -> None:
    packed = zlib.compress(gzip.compress(b"inside"))

    assert unpacked(packed, "gzip, deflate", LIMIT) == b"inside"
    assert unpacked(packed, " gzip , identity,, Deflate", LIMIT) == b"inside"
    with pytest.raises(UnsupportedCoding, match="at most 2"):
        unpacked(packed, "gzip, gzip, deflate", LIMIT)


def test_what_is_between_two_codings_is_limited_too() -> None:
    inner = random.Random(0).randbytes(LIMIT) + bytes(1000)

    with pytest.raises(BodyTooLarge):
        unpacked(zlib.compress(inner), "gzip, deflate", LIMIT)


@pytest.mark.parametrize("coding", ["compress", "gzip, aws-chunked", "x" * 9000])
def test_an_unknown_coding_is_refused_with_those_that_are_known(coding: str) -> None:
    with pytest.raises(UnsupportedCoding) as refused:
        unpacked(b"", coding, LIMIT)

    assert refused.value.status == 415
    assert refused.value.headers() == [("Accept-Encoding", ", ".join(accepted()))]
    assert len(str(refused.value)) < 200


def test_codings_whose_packages_are_missing_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_codings, "_package", lambda name: None)

    assert accepted() == ("gzip", "deflate")
    with pytest.raises(UnsupportedCoding, match="send one of gzip, deflate, or none"):
        unpacked(b"", "br", LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@settings(max_examples=50)
@given(data=st.data())
def test_any_bytes_are_unpacked_or_refused(coding: str, data: st.DataObject) -> None:
    packed = bytearray(PACKERS[next(key for key in PACKERS if key[0] == coding)](b"some text " * 50))
    for place in data.draw(st.lists(st.integers(0, len(packed) - 1), max_size=3)):
        packed[place] = data.draw(st.integers(0, 255))

    with suppress(MalformedBody, BodyTooLarge):
        assert len(unpacked(bytes(packed), coding, 1000)) <= 1000
