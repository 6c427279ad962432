"""Query strings and HTML forms.

Pure. Every value arrives as text (files of a multipart body as bytes); the schema coerces it. A name
that is given more than once becomes a list.

Fields are split here since `urllib.parse.parse_qsl` takes eighty times the memory of a body of escapes.
Werkzeug's decoder parses multipart bodies, without its `FormDataParser`, which replaces what is not UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.sansio import multipart

from aylien_model_serving.codecs import json
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.core import percent_encoding
from aylien_model_serving.errors import MalformedBody, TooManyItems
from aylien_model_serving.media import incoming

#: Fields and files that one form may have.
MAX_PARTS = 1000

#: Bytes that the header of a part may have.
_MAX_HEADER_BYTES = 8 * 1024

#: Bytes of a multipart body that are parsed at a time.
_BLOCK = 64 * 1024

#: The charsets of a part that are read, all of which RFC 7578 and older browsers know (section 5.1.2).
_CHARSETS = frozenset({"ascii", "us-ascii", "utf-8", "iso-8859-1"})


def decode_query(query: str) -> Fields:
    """Return the fields of a query string; a name without a value is empty text.

    Args:
        query: as it was sent, a letter for each byte.

    Raises:
        TooManyItems: more than `MAX_PARTS` fields.
        MalformedBody: bytes that are not UTF-8.
    """
    if not query:
        return Fields({}, textual=True)
    return _fields(query.encode("latin-1", "replace"))


def decode_urlencoded(
    body: bytes, content_type: str, decode_json: Callable[[bytes, str], Fields] = json.decode
) -> Fields:
    """Return the fields of a form, or what JSON says that curl's -d sent under a form's media type.

    Args:
        body: the text.
        content_type: not looked at.
        decode_json: reads JSON.

    Raises:
        TooManyItems: more than `MAX_PARTS` fields, or too many items of JSON.
        MalformedBody: nothing was sent, or neither a form nor JSON.
    """
    if body.lstrip()[:1] in (b"{", b"[", b""):
        return decode_json(body, content_type)
    return _fields(body)


def _fields(text: bytes) -> Fields:
    """Return the fields of an urlencoded text (https://url.spec.whatwg.org/#urlencoded-parsing)."""
    if text.count(b"&") >= MAX_PARTS:
        raise _too_many_parts()
    try:
        pairs = [
            (_decoded(name), _decoded(value))
            for name, _, value in (field.partition(b"=") for field in text.split(b"&") if field)
        ]
    except UnicodeDecodeError:
        raise MalformedBody("The fields are not UTF-8") from None
    return Fields(_group(pairs), textual=True)


def _decoded(text: bytes) -> str:
    return percent_encoding.decoded(text.replace(b"+", b" ")).decode()


def _too_many_parts() -> TooManyItems:
    return TooManyItems(f"The form has more than {MAX_PARTS:,} fields, as many as are accepted here")


def decode_multipart(body: bytes, content_type: str) -> Fields:
    """Return the fields and files of a multipart form (RFC 7578).

    Raises:
        TooManyItems: more than `MAX_PARTS` parts.
        MalformedBody: no boundary, a broken part, text that is not UTF-8, or a header of more than 8 KiB.
    """
    boundary = parse_options_header(content_type)[1].get("boundary")
    if not boundary:
        raise MalformedBody("The multipart body has no boundary in its Content-Type")
    texts, files = [], []
    try:
        for part, content in _parts(body, boundary.encode("ascii")):
            if isinstance(part, multipart.File):
                file = incoming.uploaded(content, part.headers.get("content-type"), part.filename)
                files.append((part.name, file))
            else:
                texts.append((part.name, content.decode(_charset(part))))
    except UnicodeError:
        raise MalformedBody("The multipart body has text that is not UTF-8") from None
    except (ValueError, HTTPException) as error:
        raise MalformedBody(f"The multipart body can't be read: {error}") from None
    if not texts and not files:
        raise MalformedBody("The multipart body has no part")
    names = {name for name, _ in files}
    return Fields(
        _group([*texts, *((name, file.content) for name, file in files)]),
        textual=True,
        uploads=_group([*(pair for pair in texts if pair[0] in names), *files]),
    )


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[multipart.Field | multipart.File, bytes]]:
    """Yield the parts of a multipart body with their content."""
    part: multipart.Field | multipart.File | None = None
    pieces: list[bytes] = []
    count = 0
    for event in _events(body, boundary):
        if isinstance(event, (multipart.Field, multipart.File)):
            part, pieces, count = event, [], count + 1
            if count > MAX_PARTS:
                raise _too_many_parts()
            _check_header(event)
        elif isinstance(event, multipart.Data) and part is not None:
            pieces.append(event.data)
            if not event.more_data:
                yield part, b"".join(pieces)


def _check_header(part: multipart.Field | multipart.File) -> None:
    if part.name is None:  # whatever its type says
        raise MalformedBody("The multipart body has a part without a name")
    if sum(len(name) + len(value) for name, value in part.headers) > _MAX_HEADER_BYTES:
        raise _header_too_long()


def _header_too_long() -> MalformedBody:
    return MalformedBody(f"The multipart body has a part whose header is over {_MAX_HEADER_BYTES:,} bytes")


def _events(body: bytes, boundary: bytes) -> Iterator[multipart.Event]:
    """Yield what Werkzeug's decoder finds, which gets a block of the body at a time."""
    decoder = multipart.MultipartDecoder(boundary)
    for start in range(0, len(body), _BLOCK):
        decoder.receive_data(body[start : start + _BLOCK])
        yield from iter(decoder.next_event, multipart.NEED_DATA)
        if decoder.state is multipart.State.PART and len(decoder.buffer) > _MAX_HEADER_BYTES:
            raise _header_too_long()
    decoder.receive_data(None)
    while not isinstance(event := decoder.next_event(), multipart.Epilogue):
        yield event


def _charset(part: multipart.Field | multipart.File) -> str:
    declared = parse_options_header(part.headers.get("content-type", ""))[1].get("charset", "")
    return declared.lower() if declared.lower() in _CHARSETS else "utf-8"


def _group(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    groups: dict[str, list[Any]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in groups.items()}
