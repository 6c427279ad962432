"""The forms in which a client sends a file: its bytes, media type and name."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.media import incoming, sniffing
from aylien_model_serving.media.errors import BadFile

CONTENT = b"\x00\xff file"
TEXT = base64.b64encode(CONTENT).decode()


@given(st.binary())
def test_base64_gives_back_the_bytes_in_each_of_its_spellings(content: bytes) -> None:
    plain = base64.b64encode(content).decode()
    spellings = [
        plain,
        plain.rstrip("="),
        base64.urlsafe_b64encode(content).decode(),
        base64.encodebytes(content).decode(),
        plain.replace("+", " "),  # what a form makes of it
    ]

    assert {incoming.read(text.strip("\n")).content for text in spellings} == {content}


@given(st.binary(), st.sampled_from(["", "image/png", "IMAGE/PNG;charset=utf-8", "no type"]))
def test_a_data_url_gives_back_the_bytes(content: bytes, media_type: str) -> None:
    packed = incoming.read(f"data:{media_type};base64,{base64.b64encode(content).decode()}")
    quoted = incoming.read(f"DATA:{media_type},{quote(content)}")

    assert packed == quoted
    assert packed.content == content
    assert packed.content_type == ("image/png" if "/" in media_type else None)


@given(st.binary(), st.sampled_from([None, "a.png"]), st.sampled_from([None, "image/png"]))
def test_a_file_object_gives_back_the_file(content: bytes, name: str | None, media_type: str | None) -> None:
    made = {
        "file_name": name,
        "content_type": media_type,
        "content": base64.b64encode(content).decode(),
    }

    found = incoming.read(made)

    assert found == incoming.read(json.dumps(made))
    assert found == incoming.IncomingFile(content, None, media_type, name)


@pytest.mark.parametrize(
    "value",
    [
        1,
        None,
        True,
        [TEXT],
        {},
        {"content": 1},
        {"content": None},
        {"content": TEXT, "more": 1},
        {"content": json.dumps({"content": TEXT})},
        {1: 2},
        "{",
        '{"content": ' + "[" * 1000,
        "a",
        "äöü",
        "\ud800",
        "not base64!",
        "https:/one/slash.png",
        "data:image/png;base64",
        "data:;base64,!",
        "data:,\ud800",
    ],
)
def test_what_is_no_file_is_refused(value: Any) -> None:
    with pytest.raises(BadFile):
        incoming.read(value)


@pytest.mark.parametrize(
    "url", ["http://a.example/b", "HTTPS://a.example/b", "ftp://a.example/", "file:///etc"]
)
def test_a_url_is_refused_unless_the_operator_allows_urls(url: str) -> None:
    with pytest.raises(BadFile, match="not fetched from URLs"):
        incoming.read(url)


def test_a_url_is_kept_and_gives_the_file_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_URL_FETCH", "1")

    found = incoming.read({"content": " https://a.example/b/c%20d.png?e=/f#g "})

    assert found == incoming.IncomingFile(None, "https://a.example/b/c%20d.png?e=/f", None, "c d.png")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://2130706433/", "file:///etc/passwd", "ftp://a.example/"]
)
def test_a_url_that_never_can_be_fetched_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("MODEL_SERVING_URL_FETCH", "1")

    with pytest.raises(BadFile):
        incoming.read(url)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.png", "a.png"),
        ("a\r\nb.png", "ab.png"),
        ("ü " + "x" * 300 + ".png", "x" * 251 + ".png"),
        ("..", None),
        ("a/..", None),
        (" ", None),
        ("", None),
        (None, None),
        (3, None),
    ],
)
def test_a_file_name_has_no_folder(name: Any, kept: str | None) -> None:
    assert incoming.clean_name(name) == kept


@pytest.mark.parametrize(
    "name", ["a.png", "a b.tar.gz", "größe.jpg", "_", "console.log", "null.txt", "a-b", "x" * 255]
)
def test_a_plain_name_is_one_to_save_under(name: str) -> None:
    incoming.check_plain(name)


@pytest.mark.parametrize(
    "name",
    [
        ".",
        "..",
        ".hidden",
        "...",
        "-option",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\x1b[0m",
        "a\u202eb",
        " a",
        "a ",
        "a.",
        "CON",
        "con.png",
        "Lpt9.tar.gz",
        "x" * 256,
        "ü" * 128,
    ],
)
def test_no_file_is_saved_under_a_name_that_is_not_plain(name: str) -> None:
    with pytest.raises(BadFile, match="no plain file name"):
        incoming.check_plain(name)


@given(st.text())
def test_no_file_name_holds_a_folder_or_breaks_a_line(name: str) -> None:
    kept = incoming.clean_name(name)

    assert kept is None or (not set(kept) & set("/\\\r\n\0") and len(kept.encode()) <= 255)


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo"),
        (b"RIFF\0\0\0\0else", None),
        (b"BM\x10\0\0\0\0\0\0\0", "image/bmp"),
        (b"BMW is a car", None),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\0\0\0\x20ftypqt  ", "video/quicktime"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x20ftypavif", "image/avif"),
        (b"\0\0\0\x20ftypheic", "image/heic"),
        (b"\x1aE\xdf\xa3\x42\x82\x84webm", "video/webm"),
        (b"\x1aE\xdf\xa3\x42\x82\x88matroska", "video/x-matroska"),
        (b"OggS" + bytes(24) + b"\x01vorbis", "audio/ogg"),
        (b"OggS" + bytes(24) + b"\x80theora", "video/ogg"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"\xff\xfe\x00", None),
        ((b"G" + bytes(187)) * 3, "video/mp2t"),
        (b"%PDF-1.7", "application/pdf"),
        (b"<svg xmlns=", None),
        (b"#EXTM3U", None),
        (b"plain text", None),
        (b"", None),
    ],
)
def test_the_media_type_is_sniffed_from_the_first_bytes(head: bytes, media_type: str | None) -> None:
    assert sniffing.media_type_of(head) == media_type


@given(st.binary(max_size=600))
def test_no_bytes_break_the_sniffing(head: bytes) -> None:
    assert sniffing.family_of(sniffing.media_type_of(head)) in ("", "image", "audio", "video", "application")
