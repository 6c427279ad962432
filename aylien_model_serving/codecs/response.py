"""A response that a handler makes itself: content with a status and headers, or a body as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from aylien_model_serving.codecs import content_disposition
from aylien_model_serving.media.files import MediaFile
from aylien_model_serving.process import large_work

#: Headers that say how a response is sent, which is the server's to know.
OF_THE_SERVER = frozenset(
    {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BROKEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class Response:
    """What a handler answers with, where there is more to say than its result.

    Args:
        json: the result, as the handler would return it alone.
        status: the HTTP status, 200 to 599.
        headers: by name, or as pairs where a name comes twice.
        body: instead of `json`: text, bytes or a file, sent as they are; a file under its name.
        content_type: the media type of the body.

    Raises:
        TypeError: there is a result and a body; the body is neither text nor bytes nor a file.
        ValueError: no response can have this status, or such a header.
    """

    __slots__ = ("body", "content_type", "headers", "json", "status")

    def __init__(
        self,
        json: Any = msgspec.UNSET,
        *,
        status: int = 200,
        headers: Headers = (),
        body: str | bytes | MediaFile | None = None,
        content_type: str | None = None,
    ) -> None:
        if body is not None and json is not msgspec.UNSET:
            raise TypeError("a response has a result as JSON, or a body: leave one of them out")
        self.json = json
        self.status = checked_status(status)
        self.headers = checked_headers(headers)
        if content_type is not None:
            self.headers += checked_headers([("Content-Type", content_type)])
        named = {name.lower(): value for name, value in self.headers}
        self.headers = [pair for pair in self.headers if pair[0].lower() != "content-type"]
        self.content_type = named.get("content-type")
        self.body = None if body is None else self._encoded(body, named)

    def _encoded(self, body: str | bytes | MediaFile, named: Mapping[str, str]) -> bytes:
        """Return the bytes of a body, and note what it is."""
        if isinstance(body, MediaFile):
            self.content_type = self.content_type or body.content_type
            if "content-disposition" not in named:
                self.headers.append(content_disposition.header("attachment", body.file_name))
            return body.content
        if isinstance(body, str):
            self.content_type = self.content_type or "text/plain; charset=utf-8"
            return body.encode()
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise TypeError(f"a body is text, bytes or a file, not {type(body).__name__}: give it as json")
        self.content_type = self.content_type or "application/octet-stream"
        return bytes(body)

    @property
    def nbytes(self) -> int:
        """The bytes of the response, about, as arrays say theirs: whoever encodes it asks."""
        return large_work.size_of(self.json) if self.body is None else len(self.body)

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def checked_status(status: object) -> int:
    """Return a status as a number.

    Raises:
        ValueError: it is none of a final response.
    """
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(f"the status of a response is a number from 200 to 599, not {status!r}")
    return int(status)


def checked_headers(headers: Headers) -> list[tuple[str, str]]:
    """Return headers as pairs.

    Raises:
        ValueError: a name or a value can't be sent, or is the server's to say.
    """
    pairs = [*(headers.items() if isinstance(headers, Mapping) else headers)]
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"a header is a name and a value, both of them text, not {name!r}: {value!r}")
        if name.lower() in OF_THE_SERVER:
            raise ValueError(f"the header {name} is written by the server: leave it out")
        if _BROKEN.search(value) or not _is_latin(value):
            raise ValueError(f"the value of the header {name} holds letters that no header can have")
    return pairs


def _is_latin(text: str) -> bool:
    return text.isascii() or max(text) <= "\xff"
