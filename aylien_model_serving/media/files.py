"""A file as a value: its bytes, with a media type and a name.

The media type is sniffed from the bytes when the file arrives. What takes longer, fetching it from a URL
and decoding it, happens when a handler first uses its content, and so in the process that runs the handler.
"""

from __future__ import annotations

import base64
import mimetypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from aylien_model_serving.decoding import packages
from aylien_model_serving.decoding.messages import Family
from aylien_model_serving.media import fetching, incoming, sniffing
from aylien_model_serving.media.decode import Decode
from aylien_model_serving.media.errors import BadFile, as_request_error

if TYPE_CHECKING:
    from typing_extensions import Self

_M = TypeVar("_M", bound="MediaFile")

#: The media type of bytes of no known type.
UNKNOWN = "application/octet-stream"


class MediaFile:
    """A file of any kind.

    Args:
        content: its bytes.
        content_type: its media type, where the bytes show none.
        file_name: without folders.
    """

    __slots__ = ("_content", "_content_type", "_deadline", "_field", "_file_name", "_is_verified", "_url")

    #: What the media types of this class have before the slash; empty for any.
    family: ClassVar[Family | Literal[""]] = ""

    #: The media types that are decoded.
    decoded: ClassVar[frozenset[str]] = frozenset()

    #: How messages call a file of this class.
    noun: ClassVar[str] = "a file"
    noun_of_many: ClassVar[str] = "files"

    #: The package that decodes it, by the name that it is imported by.
    package: ClassVar[str | None] = None

    def __init__(
        self, content: bytes = b"", content_type: str | None = None, file_name: str | None = None
    ) -> None:
        self._content: bytes | None = content
        self._content_type = incoming.clean_type(content_type)
        self._file_name = incoming.clean_name(file_name)
        self._url: str | None = None
        self._field: str | None = None
        self._deadline: float | None = None
        self._is_verified = True

    @classmethod
    def ensure_package(cls) -> None:
        """Refuse to start where the package that decodes files of this class is missing.

        Raises:
            ConfigurationError: names the package and the command that installs it.
        """
        if cls.package is not None:
            packages.ensure(cls.package, cls.__name__)

    @classmethod
    def from_any(cls, value: Any) -> Self:
        """Return the file that a client sent, in any of the forms in which files arrive.

        Args:
            value: base64, a data URL, a URL, a JSON file object, bytes, or a file. Never the name of a file.

        Raises:
            ValueError: it is none of these, or not of this class's kind.
        """
        if isinstance(value, MediaFile):
            return value._converted(cls)
        sent = incoming.read(value)
        file = cls(sent.content or b"", sent.content_type, sent.file_name)
        file._is_verified = False
        if sent.url is None:
            file._check_kind(sent.content or b"")
        else:
            file._url, file._content = sent.url, None
        return file

    @classmethod
    def from_bytes(
        cls, content: bytes, content_type: str | None = None, file_name: str | None = None
    ) -> Self:
        """Return a file with this content.

        Raises:
            ValueError: the content is not of this class's kind.
        """
        file = cls(bytes(content), content_type, file_name)
        file._check_kind(file._raw_content())
        return file

    @classmethod
    def from_base64(cls, text: str, file_name: str | None = None) -> Self:
        """Return the file that base64 stands for, plain or as a data URL.

        Raises:
            ValueError: the text is neither, or the content is not of this class's kind.
        """
        sent = incoming.read(text)
        return cls.from_bytes(sent.content or b"", sent.content_type, file_name)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Return a file from the service's disk.

        Raises:
            OSError: it can't be read.
            ValueError: the content is not of this class's kind.
        """
        return cls.from_bytes(Path(path).read_bytes(), mimetypes.guess_type(path)[0], Path(path).name)

    @property
    def content(self) -> bytes:
        """The bytes, verified by decoding them once; fetched first, if the file arrived as a URL.

        Raises:
            BadRequest: the client's file can't be fetched or decoded; the message names the field.
            FileTooLarge: it exceeds a limit.
        """
        content = self._raw_content()
        if not self._is_verified:
            with as_request_error(self._field):
                self._verify(content)
            self._is_verified = True
        return content

    @property
    def content_type(self) -> str:
        """The media type: sniffed from the bytes, or else the declared one."""
        return sniffing.media_type_of(self._raw_content()) or self._content_type or UNKNOWN

    @property
    def file_name(self) -> str | None:
        """The last part of its name, if it has one."""
        return self._file_name

    def to_base64(self) -> str:
        return base64.b64encode(self.content).decode()

    def to_json(self) -> dict[str, str | None]:
        """Return the JSON file object; a file that has not been fetched is returned as its URL."""
        if self._content is None:
            return {"file_name": self._file_name, "content_type": None, "content": self._url}
        content = base64.b64encode(self._content).decode()
        return {"file_name": self._file_name, "content_type": self.content_type, "content": content}

    def to_np_array(self) -> Any:
        """Return the bytes as an array of numbers from 0 to 255."""
        numpy = packages.numpy()
        return numpy.frombuffer(self.content, numpy.uint8)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the content to a file, or under its own name into a folder, and return the path.

        Args:
            path: a file, which is written anew where it exists; or a folder, in which nothing is replaced,
                since a client has chosen the name.

        Raises:
            ValueError: the path is a folder, and the file has no name.
            BadRequest: the client's file can't be fetched or decoded; or the path is a folder, and its
                name is hidden, reserved, or reads like an option.
            FileExistsError: the folder has something of this name.
        """
        target = Path(path)
        if not target.is_dir():
            target.write_bytes(self.content)
            return target
        if self._file_name is None:
            raise ValueError(f"the file has no name: say under which one it is to be saved in {target}")
        with as_request_error(self._field):
            incoming.check_plain(self._file_name)
        return _write_new(target / self._file_name, self.content)

    def identity(self) -> list[Any]:
        """Return what equal files and no others have in common, without fetching anything."""
        origin = self._content if self._content is not None else self._url
        return [type(self).__name__, origin, self._content_type, self._file_name]

    def body_as_is(self) -> tuple[bytes, str] | None:
        """Return bytes and media type if the bytes show that they are of this class's kind."""
        media_type = None if self._content is None else sniffing.media_type_of(self._content)
        if self._content is None or media_type is None or sniffing.family_of(media_type) != self.family:
            return None
        return self._content, media_type

    @property
    def field(self) -> str | None:
        """The field in which a client sent this file."""
        return self._field

    def body_is_elsewhere(self) -> bool:
        """Return whether the content has still to be fetched from a URL."""
        return self._content is None

    def may_wait(self) -> bool:
        """Return whether the content has to be fetched, or to be decoded by another process."""
        return self._content is None or bool(self.decoded)

    def set_field(self, field: str) -> None:
        """Set the field in which a client sent this file, for messages."""
        self._field = field

    def set_deadline(self, deadline: float) -> None:
        """Set when nobody waits any more for the request in which a client sent this file.

        Args:
            deadline: in `time.monotonic()` seconds.
        """
        self._deadline = deadline

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.to_np_array()
        return array if dtype is None else array.astype(dtype)

    def __repr__(self) -> str:
        what = self._url if self._content is None else f"{self.content_type}, {len(self._content):,} bytes"
        return f"<{type(self).__name__} {self._file_name or 'without a name'}: {what}>"

    def _raw_content(self) -> bytes:
        """Return the bytes as they arrived, perhaps not decoded yet."""
        if self._content is None:
            assert self._url is not None
            with as_request_error(self._field):
                fetched = fetching.fetch(self._url)
                self._check_kind(fetched.content)
            self._content = fetched.content
            self._content_type = self._content_type or incoming.clean_type(fetched.content_type)
        return self._content

    def _converted(self, wanted: type[_M]) -> _M:
        """Return the same file as one of another class."""
        file = wanted(self._content or b"", self._content_type, self._file_name)
        file._content, file._url = self._content, self._url
        file._field, file._deadline = self._field, self._deadline
        file._is_verified = False
        if self._content is not None:
            file._check_kind(self._content)
        return file

    def _check_kind(self, content: bytes) -> None:
        """Refuse bytes that are not of this class's kind."""
        if not content:
            raise BadFile("the file is empty")
        found = sniffing.media_type_of(content)
        if self.family and sniffing.family_of(found) != self.family:
            raise BadFile(f"expected {self.noun}, not {found or 'bytes of no known kind'}")

    def _verify(self, content: bytes) -> None:
        """Refuse bytes that can't be decoded, or that exceed a limit when decoded."""
        if self.decoded:
            self._decode(content).whole("check")

    def _decode(self, content: bytes) -> Decode:
        """Return the decoding of these bytes, which the errors that it raises belong to.

        Raises:
            BadFile: files of this type are not decoded.
        """
        media_type = sniffing.media_type_of(content) or ""
        if media_type not in self.decoded:
            raise BadFile(f"{self.noun_of_many} of type {media_type} are not read here")
        assert self.family  # of every class that decodes
        return Decode(self.family, media_type, content, self._deadline)


def _write_new(target: Path, content: bytes) -> Path:
    """Write a file that does not exist, which a link that leads nowhere does, and leave no part of it."""
    with target.open("xb") as file:
        try:
            file.write(content)
            file.flush()
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return target
