"""Query strings and HTML forms, parsed by the standard library and Werkzeug.

Pure. Every value arrives as text (files of a multipart body as bytes); the schema coerces it. A name
that is given more than once becomes a list.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import IO, Any
from urllib.parse import parse_qsl

from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from aylien_model_serving.codecs import json
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import MalformedBody
from aylien_model_serving.media import incoming

#: Fields and files that one form may have.
MAX_PARTS = 1000


def decode_query(query: str) -> Fields:
    """Return the fields of a query string; a name without a value is empty text.

    Raises:
        MalformedBody: more than `MAX_PARTS` fields, or bytes that are not UTF-8.
    """
    if not query:
        return Fields({}, textual=True)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARTS)
    except UnicodeDecodeError:
        raise MalformedBody("The fields are not UTF-8") from None
    except ValueError as error:
        raise MalformedBody(f"The fields can't be read: {error}") from None
    return Fields(_group(pairs), textual=True)


def decode_urlencoded(body: bytes, content_type: str) -> Fields:
    """Return the fields of a form, or of JSON that curl's -d sent under a form's media type.

    Raises:
        MalformedBody: nothing was sent, or neither a form nor JSON.
    """
    if body.lstrip()[:1] in (b"{", b"[", b""):
        return json.decode(body)
    try:
        return decode_query(body.decode())
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8") from None


def decode_multipart(body: bytes, content_type: str) -> Fields:
    """Return the fields and files of a multipart form (RFC 7578).

    Raises:
        MalformedBody: no boundary, a broken part, or more than `MAX_PARTS` of them.
    """
    media_type, options = parse_options_header(content_type)
    if not options.get("boundary"):
        raise MalformedBody("The multipart body has no boundary in its Content-Type")
    parser = FormDataParser(_in_memory, max_form_memory_size=None, silent=False, max_form_parts=MAX_PARTS)
    try:
        _, form, files = parser.parse(io.BytesIO(body), media_type, len(body), options)
    except (ValueError, HTTPException) as error:
        raise MalformedBody(f"The multipart body can't be read: {error}") from None
    if not form and not files:
        raise MalformedBody("The multipart body has no part")
    if None in form or None in files:
        raise MalformedBody("A part of the multipart body has no name")
    texts = list(form.items(multi=True))
    parts = [
        (name, incoming.uploaded(file.read(), file.content_type, file.filename))
        for name, file in files.items(multi=True)
    ]
    return Fields(
        _group([*texts, *((name, part.content) for name, part in parts)]),
        textual=True,
        uploads=_group([*(pair for pair in texts if pair[0] in files), *parts]),
    )


def _in_memory(*_: object, **__: object) -> IO[bytes]:
    """Keep a file in memory, where its body is already, instead of spooling it to a disk."""
    return io.BytesIO()


def _group(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    groups: dict[str, list[Any]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in groups.items()}
