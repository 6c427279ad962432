"""A WSGI environ that records which headers are read, so that a cache knows what a reply depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aylien_model_serving.core import reads
from aylien_model_serving.core.messages import REQUEST_INFO

#: What holds all headers once more, or tells the caller.
_NAMES = {"asgi.scope": reads.EVERYTHING, "REMOTE_USER": reads.CALLER, "AUTH_TYPE": reads.CALLER}

#: What is read most often, and says nothing of the client: these are looked up first, to spare time.
_UNTOLD = frozenset(
    (
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "PATH_INFO",
        "QUERY_STRING",
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
        "REMOTE_ADDR",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "RAW_URI",
        "REQUEST_URI",
        "HTTP_CONNECTION",
        "HTTP_UPGRADE",
        "HTTP_TRANSFER_ENCODING",
        "werkzeug.debug.preserve_context",
        "werkzeug.request",
        "wsgi.input",
        "wsgi.input_terminated",
        "wsgi.url_scheme",
        REQUEST_INFO,
    )
)

_get, _getitem, _contains = dict.get, dict.__getitem__, dict.__contains__


class RecordedEnviron(dict[str, Any]):
    """A copy of an environ.

    Args:
        environ: PEP 3333's dictionary.
        names: gets the names of the headers that are read.
    """

    __slots__ = ("names", "plain")

    def __init__(self, environ: Mapping[str, Any], names: set[str]) -> None:
        super().__init__(environ)
        self.plain = environ
        self.names = names

    def _note(self, variable: object) -> None:
        if not isinstance(variable, str):
            return
        if variable.startswith("HTTP_"):
            self.names.add(variable[5:].replace("_", "-").lower())
        elif variable in _NAMES:
            self.names.add(_NAMES[variable])

    def __getitem__(self, variable: str) -> Any:
        if variable not in _UNTOLD:
            self._note(variable)
        return _getitem(self, variable)

    def get(self, variable: str, default: Any = None) -> Any:
        if variable not in _UNTOLD:
            self._note(variable)
        return _get(self, variable, default)

    def __contains__(self, variable: object) -> bool:
        if variable not in _UNTOLD and variable not in _NAMES:  # a server has it, whatever the request
            self._note(variable)
        return _contains(self, variable)

    def pop(self, variable: str, *default: Any) -> Any:
        self._note(variable)
        return super().pop(variable, *default)

    def setdefault(self, variable: str, default: Any = None) -> Any:
        self._note(variable)
        return super().setdefault(variable, default)

    def __iter__(self) -> Iterator[str]:
        self.names.add(reads.EVERYTHING)
        return super().__iter__()

    def keys(self) -> Any:
        self.names.add(reads.EVERYTHING)
        return super().keys()

    def items(self) -> Any:
        self.names.add(reads.EVERYTHING)
        return super().items()

    def values(self) -> Any:
        self.names.add(reads.EVERYTHING)
        return super().values()

    @contextmanager
    def unrecorded(self) -> Iterator[None]:
        """Forget what is read within the block."""
        names, self.names = self.names, set()
        try:
            yield
        finally:
            self.names = names

    def copy(self) -> dict[str, Any]:
        self.names.add(reads.EVERYTHING)
        return super().copy()


def plain(environ: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an environ of which the library itself may read what it needs."""
    return environ.plain if isinstance(environ, RecordedEnviron) else environ
