"""Errors of files, with messages that a client may read.

Pure. A file that the service made itself raises these, and they are errors of the service; for a file that
a client sent they become errors of the request that name the field.

BadFile, from `decoding.errors`
├── TooLarge
└── NotFetched
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aylien_model_serving.decoding.errors import BadFile, TooLarge
from aylien_model_serving.errors import FileNotFetched

__all__ = ["BadFile", "NotFetched", "TooLarge", "as_request_error"]


class NotFetched(BadFile):
    """The file can't be had from its URL."""

    request_error = FileNotFetched


@contextmanager
def as_request_error(field: str | None) -> Iterator[None]:
    """Raise errors of a file as errors of the request that name its field.

    Args:
        field: the field in which a client sent the file; None for a file of the service's own.
    """
    try:
        yield
    except BadFile as error:
        if field is None:
            raise
        raise error.request_error(f"{field}: {error}") from error
