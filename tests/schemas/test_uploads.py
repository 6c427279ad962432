"""Fields that are files: which type hints take them, and what handlers get for each form."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from typing import Any, get_origin

import pytest

from aylien_model_serving import AudioFile, ImageFile, MediaFile
from aylien_model_serving.codecs import JSON, forms, json, json_keys
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.core.messages import Call
from aylien_model_serving.decoding import packages
from aylien_model_serving.dispatch.cache_keys import cache_key
from aylien_model_serving.errors import ConfigurationError, FieldMismatch, FileNotFetched, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas.hints import TypeHintsSchema
from tests.media.samples import png_of
from tests.with_media import need_media

PNG = png_of(2, 2)
TEXT = base64.b64encode(PNG).decode()
URL = "https://files.example/a.png"


@pytest.fixture(autouse=True)
def _media() -> None:
    need_media()


@dataclasses.dataclass
class Page:
    title: str
    scans: list[ImageFile]


def schema_of(handler: Callable[..., Any], **keys: Any) -> TypeHintsSchema:
    return TypeHintsSchema(handler, Signature.of(handler), **keys)


def taking(hint: Any, *default: Any, **keys: Any) -> TypeHintsSchema:
    """Return the schema of a handler with one parameter `x`."""

    def handler(x): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__ = {"x": hint}
    handler.__defaults__ = default or None
    return schema_of(handler, **keys)


def given(schema: TypeHintsSchema, value: Any, *, textual: bool = False) -> Any:
    return schema.arguments(Fields({"x": value}, textual), {})["x"]


def part(name: str, content: bytes, file_name: str | None = None, media_type: str = "image/png") -> bytes:
    head = f'--cut\r\nContent-Disposition: form-data; name="{name}"'
    if file_name is not None:
        head += f'; filename="{file_name}"\r\nContent-Type: {media_type}'
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> Fields:
    return forms.decode_multipart(b"".join(parts) + b"--cut--\r\n", "multipart/form-data; boundary=cut")


@pytest.mark.parametrize(
    ("value", "file_name"),
    [
        (TEXT, None),
        (f"data:image/png;base64,{TEXT}", None),
        ({"file_name": "a.png", "content_type": "image/png", "content": TEXT}, "a.png"),
        ({"content": TEXT}, None),
        (f'{{"file_name": "b/a.png", "content": "{TEXT}"}}', "a.png"),
        (PNG, None),
    ],
)
@pytest.mark.parametrize("textual", [False, True])
@pytest.mark.parametrize("hint", [MediaFile, ImageFile, ImageFile | None])
def test_a_file_arrives_in_each_of_its_forms(
    hint: Any, value: Any, file_name: str | None, textual: bool
) -> None:
    found = given(taking(hint), value, textual=textual)

    assert type(found) is (MediaFile if hint is MediaFile else ImageFile)
    assert (found.content_type, found.file_name) == ("image/png", file_name)
    assert found.to_json()["content"] == TEXT


def test_a_list_and_what_holds_files_are_filled() -> None:
    images = given(taking(list[ImageFile]), [TEXT, {"content": TEXT}])
    page = given(taking(Page), {"title": "a", "scans": [TEXT]})
    named = given(taking(dict[str, ImageFile]), {"a": TEXT})

    assert [type(image) for image in (*images, *page.scans, *named.values())] == [ImageFile] * 4


def test_a_file_may_be_left_out() -> None:
    assert given(taking(ImageFile | None), None) is None
    assert taking(ImageFile, None).arguments(Fields({}), {}) == {}


def test_an_item_of_a_batch_is_a_file() -> None:
    found = given(taking(list[ImageFile], batched=True), TEXT)

    assert type(found) is ImageFile


def test_a_part_of_a_form_keeps_its_name_and_its_type_is_sniffed() -> None:
    found = taking(ImageFile).arguments(form(part("x", PNG, "folder/cat.png", "text/html")), {})["x"]

    assert (found.file_name, found.content_type) == ("cat.png", "image/png")


def test_the_declared_type_is_kept_where_sniffing_finds_none() -> None:
    sent = form(part("x", b"a,b", "a.csv", "text/csv; charset=utf-8"))

    assert taking(MediaFile).arguments(sent, {})["x"].content_type == "text/csv"
    assert taking(MediaFile).arguments(form(part("x", b"a,b", "a", "odd")), {})["x"].content_type == (
        "application/octet-stream"
    )


def test_parts_of_one_name_are_a_list_in_their_order() -> None:
    sent = form(part("x", TEXT.encode()), part("x", PNG, "b.png"), part("x", PNG, "c.png"))

    found = taking(list[ImageFile]).arguments(sent, {})["x"]

    assert [image.file_name for image in found] == [None, "b.png", "c.png"]


def test_one_part_is_a_list_of_one_where_a_list_is_declared() -> None:
    found = taking(list[ImageFile] | None).arguments(form(part("x", PNG, "b.png")), {})["x"]

    assert [image.file_name for image in found] == ["b.png"]


def test_what_a_browser_sends_for_a_file_that_was_not_chosen_is_no_file() -> None:
    empty = form(part("x", b"", "", "application/octet-stream"))

    assert taking(ImageFile, None).arguments(empty, {}) == {}
    with pytest.raises(FieldMismatch, match="Missing field 'x'"):
        taking(ImageFile).arguments(empty, {})


def test_a_handler_that_declares_no_file_gets_bytes_as_ever() -> None:
    sent = form(part("x", PNG, "b.png"), part("y", b"a"))

    assert taking(bytes).arguments(form(part("x", PNG, "b.png")), {}) == {"x": PNG}
    assert schema_of(lambda **fields: fields).arguments(sent, {}) == {"x": PNG, "y": "a"}


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (ImageFile, "aGVsbG8=", "^x: expected an image, not bytes of no known kind"),
        (AudioFile, TEXT, "^x: expected audio, not image/png"),
        (ImageFile, "", "^x: the file is empty"),
        (ImageFile, 3, "^x: expected a file"),
        (ImageFile, None, "^x: "),
        (list[ImageFile], [TEXT, "aGVsbG8="], r"^x\[1\]: expected an image"),
        (Page, {"title": "a", "scans": ["aGVsbG8="]}, r"^x\.scans\[0\]: expected an image"),
        (ImageFile, URL, "^x: files are not fetched from URLs here"),
    ],
)
def test_what_is_no_such_file_is_refused_with_the_name_of_its_field(
    hint: Any, value: Any, message: str
) -> None:
    with pytest.raises(SchemaMismatch, match=message):
        given(taking(hint), value)


@pytest.mark.parametrize(
    ("hint", "value", "find", "message"),
    [
        (ImageFile, TEXT, lambda x: x, "^x: the image/png is broken"),
        (list[ImageFile], [TEXT, TEXT], lambda x: x[1], r"^x\[1\]: the image/png is broken"),
        (Page, {"title": "", "scans": [TEXT]}, lambda x: x.scans[0], r"^x\.scans\[0\]: the image"),
        (dict[str, ImageFile], {"a": TEXT}, lambda x: x["a"], r"^x\[a\]: the image"),
    ],
)
def test_errors_of_decoding_name_the_field_too(hint: Any, value: Any, find: Any, message: str) -> None:
    found = find(given(taking(hint), value))

    with pytest.raises(SchemaMismatch, match=message):
        _ = found.content


@pytest.mark.parametrize("hint", [ImageFile | int, ImageFile | AudioFile | str, list[ImageFile | AudioFile]])
def test_a_file_that_shares_its_hint_stops_the_service(hint: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"parameter 'x' can't be checked .*: a file stands alone"):
        taking(hint)


@pytest.mark.parametrize(
    "hint", [ImageFile | str, ImageFile | str | bytes | None, list[str | bytes | ImageFile]]
)
def test_text_and_bytes_beside_a_file_are_forms_in_which_it_comes(hint: Any) -> None:
    found = given(taking(hint), [TEXT] if get_origin(hint) is list else TEXT)

    assert [type(file) for file in (found if isinstance(found, list) else [found])] == [ImageFile]


def test_a_missing_package_stops_the_service_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(
        ConfigurationError, match=r"AudioFile needs soundfile.*pip install 'model-serving\[media\]'"
    ):
        taking(list[AudioFile])
    taking(MediaFile)


class TestUrls:
    @pytest.fixture(autouse=True)
    def fetches(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        fetched: list[str] = []

        def fetch(url: str) -> Any:
            fetched.append(url)
            return (PNG if url == URL else b"<html>", "image/png")

        monkeypatch.setenv("MODEL_SERVING_URL_FETCH", "1")
        monkeypatch.setattr(
            "aylien_model_serving.media.files.fetching.fetch", lambda url: _Fetched(*fetch(url))
        )
        return fetched

    @pytest.mark.parametrize("value", [URL, {"content": URL}])
    def test_a_file_is_fetched_once_and_when_it_is_used(self, value: Any, fetches: list[str]) -> None:
        schema = taking(ImageFile)

        found = given(schema, value)
        assert schema.may_wait({"x": found})
        assert found.file_name == "a.png"
        assert fetches == []

        assert found.content_type == "image/png"
        assert found.to_json()["content"] == TEXT
        assert fetches == [URL]

    @pytest.mark.parametrize("name", ["upload", "x"])
    def test_a_part_of_a_form_may_be_a_url_in_place_of_a_file(self, name: str, fetches: list[str]) -> None:
        found = taking(ImageFile).arguments(form(part("x", URL.encode(), name)), {})["x"]

        assert found.content_type == "image/png"
        assert fetches == [URL]

    @pytest.mark.parametrize(
        ("content", "name"),
        [
            (URL.encode(), "links.txt"),
            (f"{URL}\n{URL}".encode(), "upload"),
            (b"http://" + b"a" * 9000, "upload"),
        ],
    )
    def test_a_file_that_holds_urls_is_a_file(self, content: bytes, name: str, fetches: list[str]) -> None:
        found = taking(MediaFile).arguments(form(part("x", content, name)), {})["x"]

        assert found.content == content
        assert fetches == []

    def test_such_a_part_is_refused_where_urls_are_not_fetched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MODEL_SERVING_URL_FETCH")

        with pytest.raises(SchemaMismatch, match=r"^x: files are not fetched from URLs here"):
            taking(ImageFile).arguments(form(part("x", URL.encode(), "upload")), {})

    def test_what_is_fetched_has_to_be_of_the_kind(self) -> None:
        found = given(taking(list[ImageFile]), ["https://files.example/page"], textual=True)

        with pytest.raises(SchemaMismatch, match=r"^x\[0\]: expected an image, not bytes of no known kind"):
            _ = found[0].content

    def test_what_can_not_be_fetched_names_the_field(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        monkeypatch.setenv("MODEL_SERVING_URL_FETCH", "1")
        found = given(taking(ImageFile), URL)
        monkeypatch.delenv("MODEL_SERVING_URL_FETCH")

        with pytest.raises(FileNotFetched, match=r"^x: files are not fetched"):
            _ = found.content

    def test_a_file_that_was_not_used_is_returned_as_its_url(self, fetches: list[str]) -> None:
        found = given(taking(ImageFile), URL)

        assert json.as_received([found])[0]["content"] == URL
        assert repr(found) == f"<ImageFile a.png: {URL}>"
        assert fetches == []

    def test_the_cache_key_has_the_url_and_fetches_nothing(self, fetches: list[str]) -> None:
        keys = {
            cache_key("", Call("POST", "/", "", {}, b"", {}, ""), {"x": given(taking(ImageFile), url)}, "")
            for url in (URL, URL, URL + "?b")
        }

        assert len(keys) == 2
        assert fetches == []


class _Fetched:
    def __init__(self, content: bytes, content_type: str) -> None:
        self.content = content
        self.content_type = content_type


def test_equal_files_have_equal_keys_and_others_have_not() -> None:
    values = [
        TEXT,
        {"content": TEXT},
        {"content": TEXT, "file_name": "a"},
        base64.b64encode(png_of(3, 2)).decode(),
    ]

    keys = [json_keys.encode_canonical({"x": given(taking(ImageFile), value)}) for value in values]

    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("returns", "may"),
    [
        (None, True),
        (ImageFile, True),
        (ImageFile | None, True),
        (Any, True),
        (dict[str, Any], False),
        (str, False),
        (type(None), False),
    ],
)
def test_only_a_handler_that_may_return_an_image_negotiates_by_accept(returns: Any, may: bool) -> None:
    def handler() -> None: ...

    handler.__annotations__ = {} if returns is None else {"return": returns}

    assert (schema_of(handler).encoder("*/*") is not JSON) == may
