"""The forms in which a client sends a file: base64, a data URL, a JSON file object, a URL, a part of a form.

Pure. Nothing is fetched here; a URL is checked, so that one that can never be fetched is refused before the
handler runs. Data URLs are parsed here since the standard library's parser, `urllib.request.DataHandler`,
drops what is not base64, the letters of URL-safe base64 included, instead of refusing it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from aylien_model_serving.core import percent_encoding
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.media import urls
from aylien_model_serving.media.errors import BadFile

#: The names of a JSON file object; all but the content may be left out.
_NAMES = frozenset({"file_name", "content_type", "content"})

_LISTED = "file_name, content_type and content"
_EXPECTED_OBJECT = f"expected a file object with {_LISTED}, the content as base64"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")

#: A form writes "+" as a space; base64 for URLs has "-" and "_"; lines of base64 may be broken.
_TO_BASE64 = str.maketrans(" -_", "++/", "\r\n\t")

#: Names that are devices on Windows, and on a share of it, whatever follows the dot.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)

#: Bytes that a file name may have on most systems.
_MAX_NAME_BYTES = 255

#: Letters at the end of a name that are looked at.
_MAX_NAME_LETTERS = 1024


@dataclass(frozen=True)
class IncomingFile:
    """A file as a client sent it, of a kind that has not been checked.

    Args:
        content: its bytes; None where there is a URL.
        url: where its bytes are.
        content_type: the media type that the client declares.
        file_name: without folders.
    """

    content: bytes | None = None
    url: str | None = None
    content_type: str | None = None
    file_name: str | None = None

    def __bool__(self) -> bool:
        """Return whether there is a file: a browser sends a nameless empty one where none was chosen."""
        return bool(self.content or self.url or self.file_name)


def uploaded(content: bytes, content_type: str | None, file_name: str | None) -> IncomingFile:
    """Return the file of one part of a multipart form."""
    return IncomingFile(content, None, clean_type(content_type), clean_name(file_name))


def read(value: Any) -> IncomingFile:
    """Return the file that a field's value stands for.

    Raises:
        BadFile: it is in none of the forms.
    """
    if isinstance(value, IncomingFile):
        url = _url_in(value)
        return value if url is None else _read_text(url)
    if isinstance(value, str):
        return _read_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return IncomingFile(bytes(value))
    if isinstance(value, Mapping):
        return _read_object(value)
    raise BadFile(f"expected a file: base64, a data URL, a URL or an object with {_LISTED}")


def _url_in(sent: IncomingFile) -> str | None:
    """Return the URL that a part of a form is in place of a file: clients name such a part after its field.

    A file that holds a URL is a file where its name has an ending, as in links.txt.
    """
    content = sent.content or b""
    if "." in (sent.file_name or "") or not _URL.fullmatch(content):
        return None
    return content.decode("ascii")


_URL = re.compile(rb"https?://[\x21-\x7e]{1,%d}" % urls.MAX_LENGTH)


def _read_text(text: str) -> IncomingFile:
    stripped = text.strip()
    if stripped.startswith("{"):
        return _read_json(stripped)
    if stripped[:5].lower() == "data:":
        return _read_data_url(stripped[5:])
    if _SCHEME.match(stripped):
        if not Settings.load_public("url_fetch").url_fetch:
            raise BadFile("files are not fetched from URLs here: send the file itself")
        return IncomingFile(None, urls.parse(stripped).url, file_name=clean_name(urls.last_part(stripped)))
    return IncomingFile(_decode(text))


class _ObjectAsText(msgspec.Struct, forbid_unknown_fields=True):
    """A file object as text; whatever else than text its members are is passed over and not decoded."""

    content: str
    content_type: msgspec.Raw = msgspec.Raw(b"null")
    file_name: msgspec.Raw = msgspec.Raw(b"null")


_OBJECT = msgspec.json.Decoder(_ObjectAsText)


def _read_json(text: str) -> IncomingFile:
    try:
        found = _OBJECT.decode(text)
        declared = {"content_type": _text_of(found.content_type), "file_name": _text_of(found.file_name)}
    except msgspec.ValidationError:
        raise BadFile(_EXPECTED_OBJECT) from None
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        raise BadFile("the file object is no JSON") from None
    return _read_object({"content": found.content, **declared})


def _text_of(member: msgspec.Raw) -> str | None:
    text = bytes(member)
    return msgspec.json.decode(text, type=str) if text.startswith(b'"') else None


def _read_object(value: Mapping[Any, Any]) -> IncomingFile:
    if not value.keys() <= _NAMES or not isinstance(value.get("content"), (str, bytes)):
        raise BadFile(_EXPECTED_OBJECT)
    content = value["content"]
    if isinstance(content, str) and content.lstrip().startswith("{"):
        raise BadFile("the content of a file object can't be a file object")
    inner = read(content)
    return IncomingFile(
        inner.content,
        inner.url,
        clean_type(value.get("content_type")) or inner.content_type,
        clean_name(value.get("file_name")) or inner.file_name,
    )


def _read_data_url(text: str) -> IncomingFile:
    """Read what follows "data:" (RFC 2397)."""
    head, comma, data = text.partition(",")
    if not comma:
        raise BadFile("the data URL has no comma")
    media_type, *parameters = head.split(";")
    if parameters and parameters[-1].strip().lower() == "base64":
        return IncomingFile(_decode(data), None, clean_type(media_type))
    try:
        return IncomingFile(percent_encoding.decoded(data.encode()), None, clean_type(media_type))
    except UnicodeEncodeError:
        raise BadFile("the data URL holds what is no text") from None


def _decode(text: str) -> bytes:
    text = text.translate(_TO_BASE64)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadFile("expected a file as base64, a data URL or a URL") from None


def clean_type(media_type: Any) -> str | None:
    """Return a media type in lower case without parameters, or None for what is none."""
    if not isinstance(media_type, str):
        return None
    name = media_type.partition(";")[0].strip().lower()
    return name if _MEDIA_TYPE.fullmatch(name) else None


def clean_name(name: Any) -> str | None:
    """Return the last part of a file name, without characters that could leave a folder or break a line."""
    if not isinstance(name, str):
        return None
    last = re.split(r"[/\\]", name[-_MAX_NAME_LETTERS:])[-1]
    kept = "".join(letter for letter in last if letter.isprintable()).strip()
    kept = kept.encode(errors="ignore")[-_MAX_NAME_BYTES:].decode(errors="ignore")
    return None if kept in ("", ".", "..") else kept


def check_plain(name: str) -> None:
    """Refuse a file name under which a client's file is not to be kept.

    Raises:
        BadFile: it names a folder or a device, is hidden, too long, reads like an option, or holds what is
            not printed.
    """
    if name != clean_name(name) or name[0] in ".-" or name[-1] == "." or _DEVICE.fullmatch(name):
        raise BadFile(f"{name[:100]!r} is no plain file name")
