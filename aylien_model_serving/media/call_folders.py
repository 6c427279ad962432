"""A folder of one call, in which a handler finds the files that a client sent.

It is private (mode 0700), in the folder that the services of this user share, and held by a lock: whoever
looks for what nobody holds removes it where the process was killed.
"""

from __future__ import annotations

import errno
import mimetypes
import re
import secrets
from pathlib import Path

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.media import incoming
from aylien_model_serving.media.errors import BadFile, TooLarge, as_request_error
from aylien_model_serving.media.files import UNKNOWN, MediaFile
from aylien_model_serving.process import held_folders, owner

#: A suffix that a file keeps whatever the rest of its name is.
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,16}")

#: Errors of a disk that has no room.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class FileForPath(MediaFile):
    """A file for which a handler gets the path of a copy."""

    __slots__ = ()

    def may_wait(self) -> bool:
        return True


class CallFolder:
    """The files of one call, each in a folder of its own, so that two may have one name."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._files = 0
        self._fetched = 0
        self._is_closed = False

    def path_of(self, file: MediaFile) -> Path:
        """Write a file, fetched first if it arrived as a URL, and return where it is.

        Raises:
            BadRequest: it can't be fetched; the message names the field.
            FileTooLarge: the fetched files of this call are too large together.
            Unavailable: the disk is full.
            OSError: it can't be written.
        """
        is_fetched = file.body_is_elsewhere()
        content = file.content
        if is_fetched:
            self._count_fetched(len(content), file)
        try:
            return self._write(_name_of(file), content)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise Unavailable("There is no room for files at the moment") from error
            raise

    def _count_fetched(self, size: int, file: MediaFile) -> None:
        self._fetched += size
        most = Settings.load_public("max_decoded_mb").max_decoded_bytes
        if self._fetched > most:
            with as_request_error(file.field):
                raise TooLarge("the files that URLs of this request lead to are too large together")

    def _write(self, name: str, content: bytes) -> Path:
        if self._folder is None:
            self._folder = held_folders.hold(owner.home() / f"call-{secrets.token_hex(8)}")
        place = self._folder / str(self._files)
        self._files += 1
        place.mkdir(mode=0o700)
        target = place / name
        target.write_bytes(content)
        if self._is_closed:  # the call was cancelled while a thread wrote
            self.remove()
        return target

    def remove(self) -> None:
        """Remove the files; what is written later is removed at once."""
        self._is_closed = True
        if self._folder is not None:
            held_folders.let_go(self._folder)


def _name_of(file: MediaFile) -> str:
    """Return the name that the client gave a file, or another one with its suffix where that is not plain."""
    name = file.file_name
    if name is None:
        media_type = file.content_type
        return f"file{(mimetypes.guess_extension(media_type) or '') if media_type != UNKNOWN else ''}"
    try:
        incoming.check_plain(name)
    except BadFile:
        suffix = Path(name).suffix
        return f"file{suffix}" if _SUFFIX.fullmatch(suffix) else "file"
    return name
