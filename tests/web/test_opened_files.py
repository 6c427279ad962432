"""Handlers that take and return pictures of Pillow and paths: what they get, and what is left of it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from werkzeug.test import TestResponse

from aylien_model_serving import BackgroundTasks, FlaskAppWrapper, TaskResponse
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.process import owner
from tests.media.samples import image
from tests.with_media import need_media

PNG = image()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have temporary files in a folder of the test's own, which is returned."""
    need_media()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def app_of(handler: Any, **keys: Any) -> Any:
    return FlaskAppWrapper.create_app([{"endpoint": "/", "callable": handler, "methods": ["POST"], **keys}])


def post(handler: Any, *, accept: str = "application/json", **fields: Any) -> TestResponse:
    return app_of(handler).test_client().post("/", json=fields, headers={"Accept": accept})


def sent(content: bytes, name: str | None = None) -> dict[str, Any]:
    return {"content": base64.b64encode(content).decode(), "file_name": name}


def left() -> list[str]:
    return [found.name for found in owner.home().iterdir() if found.name.startswith(("call-", "removed-"))]


def read(x: Path) -> dict[str, Any]:
    mode = stat.S_IMODE(os.stat(x.parent.parent).st_mode)
    return {"name": x.name, "text": x.read_text(), "mode": oct(mode), "path": str(x)}


def test_a_path_is_that_of_a_private_copy_which_is_gone_after_the_call(folder: Path) -> None:
    answer = post(read, x=sent(b"hello", "greeting.txt")).json

    assert (answer["name"], answer["text"], answer["mode"]) == ("greeting.txt", "hello", "0o700")
    assert answer["path"].startswith(str(folder))
    assert left() == []


def test_a_part_of_a_form_is_a_file_with_its_name() -> None:
    form = {"x": (io.BytesIO(b"hello"), "../../greeting.txt")}

    assert app_of(read).test_client().post("/", data=form).json["name"] == "greeting.txt"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, "file"),
        (".bashrc", "file"),
        ("-rf.sh", "file.sh"),
        ("con.wav", "file.wav"),
        ("a.tar.gz", "a.tar.gz"),
        ("-a.b c", "file"),
        ("/etc/passwd", "passwd"),
        ("..", "file"),
    ],
)
def test_a_name_that_is_not_plain_is_replaced_and_keeps_its_suffix(name: str | None, expected: str) -> None:
    assert post(read, x=sent(b"hello", name)).json["name"] == expected


def test_a_file_without_a_name_has_the_suffix_of_its_type() -> None:
    def name(x: Path) -> str:
        return x.name

    assert post(name, x=sent(PNG)).json == "file.png"


def test_two_files_of_one_name_are_two_files() -> None:
    def texts(x: list[Path]) -> list[str]:
        return [path.read_text() for path in x]

    assert post(texts, x=[sent(b"a", "x.txt"), sent(b"b", "x.txt")]).json == ["a", "b"]


@pytest.mark.parametrize("value", ["/etc/host.conf", "../host.conf", 3, "file:///etc/passwd", None])
def test_no_file_of_the_machine_can_be_named(value: Any) -> None:
    assert post(read, x=value).status_code == 400


def test_nothing_is_left_where_a_handler_fails() -> None:
    def fail(x: Path) -> None:
        assert x.exists()
        raise ValueError

    assert post(fail, x=sent(b"a")).status_code == 500
    assert left() == []


def test_a_stream_has_its_file_until_its_end() -> None:
    def lines(x: Path) -> Iterator[str]:
        yield from (x.read_text(), x.read_text())

    assert post(lines, x=sent(b"a")).text == '"a"\n"a"\n'
    assert left() == []


def test_a_stream_that_is_closed_early_or_never_begun_leaves_nothing() -> None:
    def lines(x: Path) -> Iterator[str]:
        yield from (x.read_text(), x.read_text())

    client = app_of(lines).test_client()
    for items in (0, 1):
        response = client.post("/", json={"x": sent(b"a")}, buffered=False)
        assert [next(response.iter_encoded()) for _ in range(items)] == [b'"a"\n'] * items
        response.close()

    assert left() == []


async def wait_and_read(x: Path) -> str:
    await asyncio.sleep(0)
    return x.read_text()


async def lines_async(x: Path) -> AsyncIterator[str]:
    yield x.read_text()


@pytest.mark.parametrize(
    ("handler", "text"), [(wait_and_read, '"a"'), (lines_async, '"a"\n')], ids=["coroutine", "generator"]
)
def test_async_handlers_have_files_as_well(handler: Any, text: str) -> None:
    assert post(handler, x=sent(b"a")).text == text
    assert left() == []


def test_each_call_of_a_batch_has_a_file_of_its_own() -> None:
    def texts(x: list[Path]) -> list[str]:
        return [path.read_text() for path in x]

    client = app_of(texts, batch={"max_size": 4}).test_client()

    assert client.post("/", json={"x": sent(b"a")}).json == "a"
    assert left() == []


def test_an_object_and_its_positional_parameter_are_called_alike() -> None:
    class Model:
        def __call__(self, x: Path, /, times: int = 1) -> str:
            return x.read_text() * times

    assert post(Model(), x=sent(b"a"), times=2).json == "aa"


def test_a_picture_is_one_of_pillows() -> None:
    def size(x: PIL.Image.Image, others: list[PIL.Image.Image] | None = None) -> list[int]:
        return [*x.size, len(others or [])]

    encoded = base64.b64encode(PNG).decode()

    assert post(size, x=encoded, others=[encoded]).json == [32, 24, 1]
    assert post(size, x=base64.b64encode(b"hello").decode()).json["error"].startswith("x: expected an image")
    assert post(size, x=base64.b64encode(PNG[:-40]).decode()).status_code == 400


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "I", "HSV", "YCbCr"])
def test_a_picture_of_any_mode_is_answered(mode: str) -> None:
    def blank(width: int) -> PIL.Image.Image:
        return PIL.Image.new(mode, (width, 3))

    response = post(blank, accept="image/*", width=2)

    assert response.content_type == "image/png"
    assert PIL.Image.open(io.BytesIO(response.data)).size == (2, 3)


def test_pictures_within_an_answer_are_file_objects_whatever_the_hint() -> None:
    def several(width: int) -> dict:  # type: ignore[type-arg]
        return {"all": [PIL.Image.new("L", (width, 1))]}

    [file] = post(several, width=1).json["all"]
    assert file["content_type"] == "image/png"


def written(text: str) -> Path:
    path = Path(tempfile.mkdtemp()) / "answer.txt"
    path.write_text(text)
    return path


def drawn(content: bytes) -> Path:
    path = Path(tempfile.mkdtemp()) / "answer.png"
    path.write_bytes(content)
    return path


def after(text: str) -> TaskResponse[Path]:
    return TaskResponse(written(text), BackgroundTasks())


@pytest.mark.parametrize("handler", [written, after])
def test_a_path_is_answered_as_its_file(handler: Any) -> None:
    assert post(handler, text="hello").json == {
        "file_name": "answer.txt",
        "content_type": "text/plain",
        "content": base64.b64encode(b"hello").decode(),
    }


def test_the_path_of_an_image_is_answered_as_an_image() -> None:
    response = post(drawn, accept="image/*", content=base64.b64encode(PNG).decode())

    assert (response.content_type, response.data) == ("image/png", PNG)


def test_the_path_of_what_a_client_sent_may_be_answered() -> None:
    def same(x: Path) -> Path:
        return x

    assert base64.b64decode(post(same, x=sent(b"hello", "a.txt")).json["content"]) == b"hello"


@pytest.mark.parametrize("path", ["/nowhere", "/", "/dev/zero"])
def test_a_path_of_no_file_is_an_error_of_the_handler(path: str) -> None:
    def missing(name: str) -> Path:
        return Path(name)

    response = post(missing, name=path)

    assert response.status_code == 500
    assert path not in json.dumps(response.json)


def test_a_path_is_answered_only_where_the_hint_says_so() -> None:
    def named(name: str) -> dict:  # type: ignore[type-arg]
        return {"path": Path(name)}

    assert post(named, name="/etc/hostname").status_code == 500


def test_files_are_described_as_files() -> None:
    def both(x: Path, y: PIL.Image.Image) -> PIL.Image.Image:
        return y

    operation = app_of(both).test_client().get("/openapi.json").json["paths"]["/"]["post"]
    multipart = operation["requestBody"]["content"]["multipart/form-data"]

    assert multipart["encoding"] == {"x": {"contentType": "*/*"}, "y": {"contentType": "image/*"}}
    assert "image/*" in operation["responses"]["200"]["content"]


@dataclass
class Page:
    scan: Path


def test_a_path_within_a_class_stops_the_start() -> None:
    def handler(x: Page) -> None: ...

    with pytest.raises(ConfigurationError, match=r"parameter 'x'.*no field of a class: write MediaFile"):
        app_of(handler)
