"""Bodies that are the value of one parameter: JSON of any kind, text, and bytes as they are.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.http import parse_options_header

from aylien_model_serving.codecs import json, json_items, json_numbers
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import MalformedBody, TooManyItems, UnsupportedMediaType
from aylien_model_serving.media import incoming

#: The charsets of texts that are read, by all of their names that clients send.
_CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
}


def decode_json(
    body: bytes,
    content_type: str = "",
    *,
    name: str,
    max_items: int,
    numbers: bool = False,
    exact: bool = False,
) -> Fields:
    """Return the value of a JSON text.

    Args:
        body: the text.
        content_type: not looked at.
        name: of the parameter.
        max_items: see `json.decode`.
        numbers: likewise.
        exact: whether its numbers with a fraction are decimals, and no floats.

    Raises:
        TooManyItems: it has more items, and nothing is decoded.
        MalformedBody: nothing was sent, or what `json.decode` refuses.
    """
    if not body:
        raise MalformedBody("The body is empty: send JSON")
    if len(body) > max_items:
        json_items.check(body, max_items, numbers=numbers)
    return Fields({name: json.loads(body, json_numbers.EXACT if exact else None)}, bound=True)


def decode_text(body: bytes, content_type: str, *, name: str) -> Fields:
    """Return a text.

    Raises:
        UnsupportedMediaType: it is in a charset that is not read.
        MalformedBody: it is not in the charset that its type says, UTF-8 where it says none.
    """
    declared = parse_options_header(content_type)[1].get("charset", "utf-8").strip().lower()
    charset = _CHARSETS.get(declared)
    if charset is None:
        raise UnsupportedMediaType(f"Text in the charset {declared[:40]!r} is not read here: send UTF-8")
    try:
        return Fields({name: body.decode(charset)}, bound=True)
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not {declared.upper()}: {error.reason}") from None


def decode_text_or_field(
    body: bytes, content_type: str, *, name: str, decode: Callable[[bytes, str], Fields]
) -> Fields:
    """Return the field of a JSON object that has it alone; of any other text what `decode` makes of it.

    A browser's `fetch` sends JSON as text/plain where its caller names no type.
    """
    if body.lstrip()[:1] == b"{":
        try:
            fields = json.decode(body, max_items=_ITEMS_OF_A_FIELD)
        except (MalformedBody, TooManyItems):
            return decode(body, content_type)
        if fields.values.keys() == {name}:
            return fields
    return decode(body, content_type)


#: The object, the field's name and its text.
_ITEMS_OF_A_FIELD = 3


def decode_bytes(body: bytes, content_type: str, *, name: str) -> Fields:
    """Return bytes as they are, which are a file as well."""
    return Fields({name: body}, uploads={name: incoming.uploaded(body, content_type, None)}, bound=True)
