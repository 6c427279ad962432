"""A call of a route, as its fields → the request that is sent.

Pure. Path values go into the path, the fields of GET into the query, all else into a JSON body, or into a
multipart form where there are files.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import date, time
from typing import Any
from urllib.parse import quote

from aylien_model_serving.client.effects import EVENT_STREAM, IDEMPOTENT_METHODS, ApiRequest
from aylien_model_serving.client.files import Upload
from aylien_model_serving.client.openapi import Operation

#: Fields of these methods go into the query.
_QUERY_METHODS = IDEMPOTENT_METHODS

#: Types of schemas that text of a form stands for without doubt, by the type of the value.
_UNAMBIGUOUS = {str: ("string",), bool: ("boolean",), int: ("integer", "number"), float: ("number",)}


def request_of(
    operation: Operation, fields: Mapping[str, Any], key: str, body: tuple[Any, ...] = ()
) -> ApiRequest:
    """Return what is sent for a call.

    Args:
        operation: the route.
        fields: by name.
        key: distinguishes this call from all others, so that a job which is requested twice is one job.
        body: the value that the whole body is, as the only item; then the fields are those of the path.

    Raises:
        TypeError: a value of the path is missing, a value can't be sent, or there are both a body and its
            fields.
        ValueError: a number that JSON does not know, or a value that would lead to another path.
    """
    path, left = _path(operation, fields)
    headers = {"Accept": f"{EVENT_STREAM}, */*;q=0.9" if operation.is_stream else "*/*"}
    is_idempotent = operation.method in IDEMPOTENT_METHODS
    if operation.is_job:
        headers["Idempotency-Key"] = key
        is_idempotent = True
    if body:
        media_type, content = _whole_body(operation, body, left)
        headers["Content-Type"] = media_type
        return ApiRequest(operation.method, path, (), headers, content, idempotent=is_idempotent)
    if operation.method in _QUERY_METHODS:
        return ApiRequest(operation.method, path, _query(left), headers, idempotent=is_idempotent)
    left = {name: _convert_uploads(value) for name, value in left.items()}
    form = _form(operation, left)
    if form is not None:
        return ApiRequest(operation.method, path, (), headers, form=form, idempotent=is_idempotent)
    headers["Content-Type"] = "application/json"
    return ApiRequest(operation.method, path, (), headers, to_json(left), idempotent=is_idempotent)


def _whole_body(operation: Operation, body: tuple[Any, ...], left: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return the media type and the bytes of a body that is one value: a file as it is, any other as JSON."""
    if len(body) > 1:
        raise TypeError(f"{operation.plain_name}() takes one body, and {len(body)} were given")
    if left:
        raise TypeError(f"{operation.plain_name}() got a body, and {min(left)!r} beside it, a field of one")
    if operation.method in _QUERY_METHODS:
        raise TypeError(f"{operation.method} has no body: give the fields of {operation.name}() by name")
    upload = Upload.of(body[0])
    if upload is None:
        return "application/json", to_json(body[0])
    with upload.opened() as source:
        return upload.media_type, source if isinstance(source, bytes) else source.read()


def _path(operation: Operation, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the path with its values, and the fields that are left."""
    left = dict(fields)
    path = operation.path
    for name in operation.path_names:
        if left.get(name) in (None, ""):
            raise TypeError(
                f"{operation.plain_name}() needs {name!r}, which is part of its path {operation.path}"
            )
        value = _text(name, left.pop(name))
        steps = value.split("/")
        if {".", ".."} & set(steps) or (len(steps) > 1 and not operation.takes_slashes(name)):
            raise ValueError(f"{name}: {value!r} would lead to another path")
        path = path.replace(f"{{{name}}}", quote(value, safe="/"))
    return path, left


def _query(fields: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return names and values; what is None is left out, for a query can't express it."""
    pairs = [
        (name, _text(name, item))
        for name, value in fields.items()
        for item in (value if isinstance(value, (list, tuple)) else (value,))
        if item is not None
    ]
    return tuple(pairs)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    raise TypeError(f"{name}: a {type(value).__name__} can't be sent in a URL; call the route by POST")


def _convert_uploads(value: Any) -> Any:
    """Return a value with an `Upload` in place of each file of a form: some can be read only once."""
    if isinstance(value, (list, tuple)):
        return [item if (upload := Upload.of(item)) is None else upload for item in value]
    upload = Upload.of(value)
    return value if upload is None else upload


def _form(operation: Operation, fields: Mapping[str, Any]) -> tuple[tuple[str, str | Upload], ...] | None:
    """Return the parts of a form; None where there is no file, or where a form would blur another field."""
    parts: list[tuple[str, str | Upload]] = []
    for name, value in fields.items():
        items = value if isinstance(value, list) and value else (value,)
        uploads = [item for item in items if isinstance(item, Upload)]
        if len(uploads) == len(items):
            parts += [(name, upload) for upload in uploads]
        elif isinstance(value, (str, int, float)) and _is_unambiguous(operation, name, value):
            parts.append((name, _text(name, value)))
        else:
            return None
    return tuple(parts) if any(isinstance(part, Upload) for _, part in parts) else None


def _is_unambiguous(operation: Operation, name: str, value: Any) -> bool:
    """Return whether the service reads the same value again from text; a view has nothing else than that."""
    return not operation.is_known or operation.fields.get(name, {}).get("type") in _UNAMBIGUOUS.get(
        type(value), ()
    )


def to_json(value: Any) -> bytes:
    """Return fields, or any other value, as JSON.

    Raises:
        TypeError: a value can't be expressed in JSON.
        ValueError: a number is not finite.
    """
    return json.dumps(
        value, default=_encode, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    ).encode()


def _encode(value: Any) -> Any:
    """Return the JSON of a value of a type that JSON does not know."""
    upload = Upload.of(value)
    if upload is not None:
        return upload.to_json()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if callable(getattr(value, "tolist", None)):  # arrays and numbers of numpy and torch
        return value.tolist()
    if callable(getattr(value, "model_dump", None)):  # models of pydantic
        return value.model_dump(by_alias=True)
    raise TypeError(f"a {type(value).__name__} can't be sent")
