"""The fields of a call go where the service reads them, and arrive as what they are."""

import dataclasses
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from aylien_model_serving.client import ReceivedFile
from aylien_model_serving.client.files import Upload
from aylien_model_serving.client.openapi import Document, Operation
from aylien_model_serving.client.requests import request_of

BINARY = {"type": "string", "format": "binary"}


def operation(
    path: str = "/p", method: str = "post", fields: dict[str, Any] | None = None, **keys: Any
) -> Operation:
    """Return one operation of a document, whose fields are those of a JSON body."""
    schema = {"type": "object", **({"properties": fields} if fields is not None else {})}
    reported = {"operationId": "p", "responses": {"200": {}}, **keys}
    if method == "post":
        reported["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    document = {"info": {"title": "test"}, "paths": {path: {method: reported}}}
    return Document(json.dumps(document).encode()).find("p")


def test_fields_are_a_json_body() -> None:
    request = request_of(operation(fields={"text": {}}), {"text": "ü", "top": None}, "key")

    assert (request.method, request.path, request.query) == ("POST", "/p", ())
    assert request.body == '{"text":"ü","top":null}'.encode()
    assert not request.idempotent


def test_fields_of_get_are_a_query_in_which_nothing_is_left_out() -> None:
    request = request_of(
        operation(method="get"), {"a": [1, 2.5], "b": True, "c": None, "d": date(2026, 1, 2)}, ""
    )

    assert request.query == (("a", "1"), ("a", "2.5"), ("b", "true"), ("d", "2026-01-02"))
    assert request.body is None
    assert request.idempotent


def test_a_query_refuses_what_it_can_not_express() -> None:
    with pytest.raises(TypeError, match="a: a dict can't be sent in a URL"):
        request_of(operation(method="get"), {"a": {}}, "")


def test_values_of_the_path_are_quoted_into_it() -> None:
    request = request_of(operation("/v1/{lang}/p"), {"lang": "ü?#&", "text": "x"}, "")

    assert request.path == "/v1/%C3%BC%3F%23%26/p"
    assert request.body == b'{"text":"x"}'


@pytest.mark.parametrize("fields", [{}, {"lang": None}, {"lang": ""}])
def test_a_value_that_is_part_of_the_path_can_not_be_left_out(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"p\(\) needs 'lang', which is part of its path /v1/\{lang\}/p"):
        request_of(operation("/v1/{lang}/p"), fields, "")


@pytest.mark.parametrize("value", ["..", "../admin", "a/./b", "en/admin"])
def test_a_value_of_the_path_leads_to_no_other_path(value: str) -> None:
    with pytest.raises(ValueError, match="would lead to another path"):
        request_of(operation("/v1/{lang}/p"), {"lang": value}, "")


def test_a_value_of_several_segments_keeps_its_slashes() -> None:
    parameter = {"name": "file", "in": "path", "required": True, "schema": {"type": "string", "x-path": True}}

    request = request_of(operation("/files/{file}", parameters=[parameter]), {"file": "a/b c"}, "")

    assert request.path == "/files/a/b%20c"


def test_a_job_is_requested_with_an_idempotency_key() -> None:
    request = request_of(operation(responses={"202": {}}), {}, "the key")

    assert request.headers["Idempotency-Key"] == "the key"
    assert request.idempotent


def test_a_stream_is_requested_as_events() -> None:
    content = {"application/x-ndjson": {}, "text/event-stream": {}}

    request = request_of(operation(responses={"200": {"content": content}}), {}, "")

    assert request.headers["Accept"].startswith("text/event-stream,")


class Picture:
    """As the files of this library are."""

    content = b"picture"
    content_type = "image/png"
    file_name = "cat.png"


@pytest.mark.parametrize(
    ("value", "name", "media_type"),
    [
        (b"picture", "file", "application/octet-stream"),
        (Picture(), "cat.png", "image/png"),
        (ReceivedFile(b"picture", "image/png", "cat.png"), "cat.png", "image/png"),
        (io.BytesIO(b"picture"), "file", "application/octet-stream"),
    ],
)
def test_files_are_parts_of_a_form(value: Any, name: str, media_type: str) -> None:
    request = request_of(operation(fields={"image": BINARY}), {"image": value}, "")

    [(field, part)] = request.form
    assert field == "image"
    assert isinstance(part, Upload)
    assert (part.name, part.media_type) == (name, media_type)
    assert read(part) == b"picture"
    assert "Content-Type" not in request.headers


def read(upload: Upload) -> bytes:
    with upload.opened() as source:
        return source if isinstance(source, bytes) else source.read()


def test_a_path_is_a_file_and_text_is_not(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(b"picture")
    fields = {"image": BINARY, "note": {"type": "string"}}

    request = request_of(operation(fields=fields), {"image": path, "note": str(path)}, "")

    [(_, part), note] = request.form
    assert isinstance(part, Upload)
    assert (part.name, part.media_type, read(part)) == ("cat.png", "image/png", b"picture")
    assert note == ("note", str(path))


def test_an_open_file_is_sent_from_where_it_stands_also_a_second_time(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(b"head body")
    with path.open("rb") as file:
        file.seek(5)
        part = Upload.of(file)
        assert part is not None

        assert [read(part), read(part)] == [b"body", b"body"]


def test_a_file_that_can_not_seek_is_read_once() -> None:
    part = Upload.of(Pipe(b"once"))
    assert part is not None

    assert [read(part), read(part)] == [b"once", b"once"]


class Pipe(io.BytesIO):
    """Can be read once."""

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("several", [False, True])
def test_a_file_that_can_not_seek_arrives_also_where_another_field_forces_json(several: bool) -> None:
    pipe = Pipe(b"x")
    fields = {"image": [pipe] if several else pipe, "options": {"a": 1}}

    request = request_of(operation(fields={"image": BINARY, "options": {}}), fields, "")

    assert b'"content":"eA=="' in (request.body or b"")


def test_a_form_begins_where_an_open_file_stands() -> None:
    file = io.BytesIO(b"head body")
    file.seek(5)
    part = Upload.of(file)
    assert part is not None

    with part.opened() as source:
        sent = httpx.Request("POST", "http://service.test/", files={"file": source}).read()

    assert b"body" in sent
    assert b"head" not in sent


def test_a_file_without_seekable_is_read_at_once() -> None:
    class Spooled:
        """As SpooledTemporaryFile is in Python 3.10."""

        def read(self) -> bytes:
            return b"spooled"

    part = Upload.of(Spooled())
    assert part is not None

    assert read(part) == b"spooled"


def test_a_number_of_a_kind_of_its_own_goes_beside_a_file() -> None:
    class Share(float):
        pass

    fields = {"image": b"x", "share": Share(0.5)}

    request = request_of(operation(fields={"image": BINARY, "share": {"type": "number"}}), fields, "")

    assert json.loads(request.body or b"")["share"] == 0.5


def test_a_file_that_was_opened_as_text_is_refused() -> None:
    with pytest.raises(TypeError, match="binary mode"):
        request_of(operation(fields={"image": BINARY}), {"image": io.StringIO("text")}, "")


@pytest.mark.parametrize(
    "fields",
    [
        {"image": b"x", "options": {"a": 1}},
        {"image": b"x", "options": None},
        {"image": b"x", "options": 3},
        {"image": b"x", "options": []},
        {"images": {"a": b"x"}},
    ],
)
def test_what_a_form_would_blur_goes_as_json_with_files_in_base64(fields: dict[str, Any]) -> None:
    request = request_of(operation(fields={"image": BINARY, "options": {}}), fields, "")

    assert not request.form
    assert request.body is not None
    assert b'"content":"eA=="' in request.body


def test_numbers_and_switches_of_a_known_type_go_with_the_form() -> None:
    known = {
        "image": BINARY,
        "top": {"type": "integer"},
        "fast": {"type": "boolean"},
        "share": {"type": "number"},
    }

    request = request_of(operation(fields=known), {"image": b"x", "top": 3, "fast": True, "share": 0.5}, "")

    assert request.form[1:] == (("top", "3"), ("fast", "true"), ("share", "0.5"))


def test_several_files_of_one_field_are_several_parts() -> None:
    schema = {"type": "array", "items": BINARY}

    request = request_of(operation(fields={"images": schema}), {"images": [b"a", b"b"]}, "")

    assert [name for name, _ in request.form] == ["images", "images"]


def test_a_view_gets_files_as_a_form_whatever_is_beside_them() -> None:
    request = request_of(operation(fields=None), {"image": b"x", "top": 3}, "")

    assert request.form[1] == ("top", "3")


@dataclasses.dataclass
class Point:
    x: int


class Array:
    def tolist(self) -> list[float]:
        return [1.0, 2.0]


class Model:
    def model_dump(self, by_alias: bool) -> dict[str, int]:
        return {"a": 1}


def test_values_of_models_and_arrays_are_sent_as_json() -> None:
    fields = {"a": Array(), "b": Point(1), "c": Model(), "d": date(2026, 1, 2), "e": {1}, "f": (1, 2)}

    request = request_of(operation(fields={}), fields, "")

    assert request.body == b'{"a":[1.0,2.0],"b":{"x":1},"c":{"a":1},"d":"2026-01-02","e":[1],"f":[1,2]}'


@pytest.mark.parametrize(
    ("value", "error"), [(float("nan"), ValueError), (object(), TypeError), (Point, TypeError)]
)
def test_what_json_can_not_express_is_refused_before_anything_is_sent(
    value: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        request_of(operation(fields={}), {"a": value}, "")
