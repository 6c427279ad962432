"""The largest body that a route accepts: the operator's word, the route's, Flask's, and the usual ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pydantic
import pytest
from flask import Response, request

from aylien_model_serving import schemas
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.media.files import MediaFile
from aylien_model_serving.web.app import ServingFlask
from examples import example_schema_pb2
from tests.contracts.adapters import ADAPTERS, Request
from tests.contracts.cases import JSON
from tests.schemas.proto_files import message_class
from tests.selection import matrix

MEBIBYTE = 1024 * 1024
SMALL, LARGE = 8, 32  # MiB


class Uploaded(pydantic.BaseModel):
    data: bytes


class Described(pydantic.BaseModel):
    text: str


def takes_text(text: str = "", more: list[float] | None = None, **rest: Any) -> None: ...
def takes_bytes(data: bytes) -> None: ...
def takes_file(file: Annotated[MediaFile | None, "a file"] = None) -> None: ...
def takes_files(files: list[MediaFile]) -> None: ...
def takes_array(x: npt.NDArray[np.float32] | None) -> None: ...
def takes_all(**fields: Any) -> None: ...
def takes_batch_of_arrays(x: list[np.ndarray]) -> list[int]: ...


@pytest.mark.parametrize(
    ("handler", "schema", "expected"),
    [
        (takes_text, None, False),
        (takes_all, None, False),
        (takes_all, (Described, None), False),
        (takes_all, example_schema_pb2, False),
        (takes_bytes, None, True),
        (takes_file, None, True),
        (takes_files, None, True),
        (takes_array, None, True),
        (takes_all, (Uploaded, None), True),
        (takes_all, (message_class("message Raw\n    bytes data", "Raw"), None), True),
        (takes_all, (message_class("message Vector\n    repeated float values", "Vector"), None), True),
        (takes_all, (message_class("message Words\n    repeated string words", "Words"), None), False),
    ],
)
def test_a_schema_knows_whether_its_fields_hold_data(
    handler: Callable[..., Any], schema: Any, expected: bool
) -> None:
    assert schemas.choose(schema, handler, Signature.of(handler)).takes_data is expected


def test_so_does_the_schema_of_a_batched_handler() -> None:
    handler = takes_batch_of_arrays

    assert schemas.choose(None, handler, Signature.of(handler), batched=True).takes_data


def size(**fields: Any) -> dict[str, Any]:
    return {"fields": len(fields)}


def size_of_request(**fields: Any) -> dict[str, Any]:
    return {"bytes": len(request.get_data())}


def size_of_file(data: bytes = b"") -> dict[str, Any]:
    return {"bytes": len(data)}


def view() -> Response:
    return FlaskAppWrapper.process_json(size)


def app(config: dict[str, Any] | None = None, **keys: Any) -> ServingFlask:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/small", "callable": size, **keys},
            {"endpoint": "/asks", "callable": size_of_request, **keys},
            {"endpoint": "/large", "callable": size_of_file},
            {"endpoint": "/view", "callable": view, "methods": ["POST"]},
        ],
        config,
    )


@pytest.fixture(params=matrix(ADAPTERS, "flask", *({"asgi"} & ADAPTERS.keys())))
def send(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Sends a body of so many MiB to a path through one adapter, and returns the status."""
    adapter = ADAPTERS[request.param]
    monkeypatch.setenv("MODEL_SERVING_EXPRESS", adapter.setting)

    def sent(service: ServingFlask, path: str, mebibytes: float) -> int:
        length = int(mebibytes * MEBIBYTE)
        answer = adapter.send(service, Request("POST", path, b"{" + b" " * (length - 2) + b"}", (JSON,)))
        return answer.status

    return sent


def test_a_route_without_data_accepts_8_mib_and_others_accept_32(send: Callable[..., int]) -> None:
    service = app()

    assert [send(service, path, SMALL) for path in ("/small", "/asks", "/large", "/view")] == [200] * 4
    assert [send(service, path, SMALL + 0.1) for path in ("/small", "/asks")] == [413] * 2
    assert [send(service, path, LARGE) for path in ("/large", "/view")] == [200] * 2
    assert [send(service, path, LARGE + 0.1) for path in ("/large", "/view")] == [413] * 2


def test_a_route_may_name_its_own_limit(send: Callable[..., int]) -> None:
    assert send(app(max_body_mb=33), "/small", 33) == 200
    assert send(app(max_body_mb=33), "/asks", 33) == 200
    assert send(app(max_body_mb=0.5), "/small", 0.6) == 413
    assert send(app({"MAX_CONTENT_LENGTH": 10 * MEBIBYTE}, max_body_mb=0.5), "/small", 0.6) == 413


def test_the_operators_limit_is_that_of_all_routes(
    send: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_SERVING_MAX_BODY_MB", "9")
    service = app(max_body_mb=1)

    assert [send(service, path, 9) for path in ("/small", "/asks", "/large", "/view")] == [200] * 4
    assert [send(service, path, 9.1) for path in ("/small", "/asks", "/large", "/view")] == [413] * 4


@pytest.mark.parametrize("limit", [1, 10])
def test_flasks_configuration_counts_where_neither_says_anything(
    send: Callable[..., int], limit: int
) -> None:
    configured, set_later = app({"MAX_CONTENT_LENGTH": limit * MEBIBYTE}), app()
    set_later.config["MAX_CONTENT_LENGTH"] = limit * MEBIBYTE

    for service in (configured, set_later):
        assert [send(service, path, limit) for path in ("/small", "/large", "/view")] == [200] * 3
        assert [send(service, path, limit + 0.1) for path in ("/small", "/large", "/view")] == [413] * 3


def test_a_hook_that_has_read_the_body_does_not_raise_the_limit() -> None:
    service = app()
    service.before_request(lambda: request.get_data() and None)

    response = service.test_client().post("/small", data=b"{" + b" " * 9 * MEBIBYTE + b"}")

    assert response.status_code == 413


@pytest.mark.parametrize("wrong", [0, -1, True, "8", 2000, float("nan")])
def test_a_limit_that_is_none_stops_the_service(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="key 'max_body_mb': MiB above 0, up to 1024"):
        app(max_body_mb=wrong)
