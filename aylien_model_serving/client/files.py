"""Files that are sent and received: what a caller may give for one, and what a response has in its place.

Pure, but for reading a file that can't be read twice.
"""

from __future__ import annotations

import base64
import io
import mimetypes
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.utils import collapse_rfc2231_value
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from aylien_model_serving.client import display

#: What a caller may give for a file, beside what is open for reading; text is text, and never a file's name.
Sendable = Path | bytes

UNKNOWN = "application/octet-stream"

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Upload:
    """A file that is to be sent.

    Args:
        source: its bytes, where it is on the disk, or an open file.
        name: without folders.
        media_type: what it is.
    """

    source: bytes | Path | IO[bytes] = field(repr=False)
    name: str
    media_type: str

    @classmethod
    def of(cls, value: Any) -> Upload | None:
        """Return what is to be sent for a value; None if it is no file.

        Raises:
            TypeError: it is a file that was opened as text.
        """
        if isinstance(value, Upload):
            return value
        if isinstance(value, (bytes, bytearray, memoryview)):
            return cls(bytes(value), "file", UNKNOWN)
        if isinstance(value, os.PathLike):
            path = Path(value)
            return cls(path, path.name, _guess_media_type(path.name))
        if callable(getattr(value, "read", None)):
            return cls._of_open_file(value)
        content = getattr(value, "content", None)
        if isinstance(content, bytes):
            name = getattr(value, "file_name", None) or getattr(value, "name", None) or "file"
            kind = getattr(value, "content_type", None) or getattr(value, "media_type", None)
            return cls(content, str(name), str(kind or UNKNOWN))
        return None

    @classmethod
    def _of_open_file(cls, file: Any) -> Upload:
        if isinstance(file, io.TextIOBase):
            raise TypeError("a file has to be opened in binary mode, as by open(path, 'rb')")
        named = getattr(file, "name", None)
        name = os.path.basename(named) if isinstance(named, str) else "file"
        can_seek = getattr(file, "seekable", None)  # which SpooledTemporaryFile has from Python 3.11 on
        if can_seek is None or not can_seek() or file.tell():  # a form would begin at the file's first byte
            return cls(file.read(), name, _guess_media_type(name))
        return cls(file, name, _guess_media_type(name))

    @contextmanager
    def opened(self) -> Iterator[bytes | IO[bytes]]:
        """Yield what a form is made of; it may be opened again for a further try."""
        if isinstance(self.source, bytes):
            yield self.source
        elif isinstance(self.source, Path):
            with self.source.open("rb") as file:
                yield file
        else:
            self.source.seek(0)
            yield self.source

    def to_json(self) -> dict[str, str]:
        """Return the JSON file object, for bodies that a form can't express."""
        with self.opened() as source:
            content = source if isinstance(source, bytes) else source.read()
        return {
            "file_name": self.name,
            "content_type": self.media_type,
            "content": base64.b64encode(content).decode(),
        }


def _guess_media_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or UNKNOWN


@dataclass(frozen=True)
class ReceivedFile:
    """A file that a service answered with.

    Args:
        content: its bytes.
        media_type: what the service says that it is.
        name: without folders, if it has one.
    """

    content: bytes = field(repr=False)
    media_type: str = UNKNOWN
    name: str | None = None

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return what IPython shows: an image as a picture."""
        return display.file_bundle(repr(self), self.media_type, self.content)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the content to a file, or under its own name into a folder, and return the path.

        Raises:
            ValueError: the path is a folder, and the file has no name.
        """
        target = Path(path)
        if target.is_dir():
            if self.name is None:
                raise ValueError(f"the file has no name: say under which one it is to be saved in {target}")
            target /= self.name
        target.write_bytes(self.content)
        return target


def file_from_response(body: bytes, media_type: str, disposition: str) -> ReceivedFile:
    """Return the file that is a whole response.

    Args:
        body: its bytes.
        media_type: of the response's Content-Type.
        disposition: the response's Content-Disposition, which may name it (RFC 6266).
    """
    header = Message()
    header["Content-Disposition"] = disposition
    given = header.get_params([], "content-disposition")
    names: list[Any] = [value for name, value in given if name == "filename"]
    names.sort(key=lambda value: isinstance(value, tuple))  # whose extended form goes before the plain one
    name = collapse_rfc2231_value(names[-1]) if names else None
    return ReceivedFile(body, media_type or UNKNOWN, _safe_name(name))


def decode_files(value: Any) -> Any:
    """Return JSON with a `ReceivedFile` in place of each file object within it."""
    if isinstance(value, list):
        return [decode_files(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() != {"file_name", "content_type", "content"}:
        return {name: decode_files(item) for name, item in value.items()}
    try:
        content = base64.b64decode(value["content"], validate=True)
    except (TypeError, ValueError):
        return value  # a URL that nobody has fetched, or what only looks like a file
    name = value["file_name"]
    return ReceivedFile(
        content, value["content_type"] or UNKNOWN, _safe_name(name if isinstance(name, str) else None)
    )


def _safe_name(name: str | None) -> str | None:
    """Return the last part of a name: it must neither lead out of a folder nor be a hidden file within it."""
    last = re.split(r"[/\\]", _CONTROL_CHARACTERS.sub("", unquote(name or "")))[-1]
    return last.strip().lstrip(". ") or None
