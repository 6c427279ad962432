"""Files that hold secrets, and what a service goes on with while one of them can't be used."""

from __future__ import annotations

from pathlib import Path

from aylien_model_serving.errors import ConfigurationError

#: Bytes of such a file, at most.
_MAX_FILE = 1024 * 1024


class SecretFiles:
    """The texts of the files that variables name; processes that are forked inherit what is kept of them."""

    def __init__(self) -> None:
        self._read: dict[str, str] = {}
        self._good: dict[str, str] = {}
        self._held: dict[str, str] = {}

    def read(self, variable: str, path: str) -> str:
        """Return the text of the file that a variable names, without the line break at its end.

        Raises:
            ConfigurationError: it can't be read, is empty, or is larger than 1 MiB.
        """
        if variable in self._held:
            return self._held[variable]
        text = self._read[variable] = _read(variable, path)
        return text

    def accept(self) -> None:
        """Remember what was read last: the service can be made with it."""
        self._good = dict(self._read)

    def hold(self) -> None:
        """Return what was accepted last in place of the files, until `release`."""
        self._held = self._good

    def release(self) -> None:
        """Read the files again."""
        self._held = {}


#: Those of this process.
files = SecretFiles()


def _read(variable: str, path: str) -> str:
    """Return the text of the file that a variable names, without the line break at its end.

    Raises:
        ConfigurationError: it can't be read, is empty, or is larger than 1 MiB.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MAX_FILE + 1)
        text = content.decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(f"{variable}={path!r}: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"{variable}={path!r}: the file is not text in UTF-8") from None
    if not text.strip() or len(content) > _MAX_FILE:
        what = "is empty" if not text.strip() else "is larger than 1 MiB"
        raise ConfigurationError(f"{variable}={path!r}: the file {what}")
    return text
