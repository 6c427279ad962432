"""What can be wrong with a file, in words that a client may read.

Pure. A file that the service made itself raises these, which are errors of the service; for one that
a client sent they become errors of the request that name the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aylien_model_serving.errors import FileNotFetched, FileTooLarge, SchemaMismatch, ServingError


class BadFile(ValueError):
    """The bytes are not what they have to be."""

    request_error: type[ServingError] = SchemaMismatch


class TooLarge(BadFile):
    """The file is over a limit."""

    request_error = FileTooLarge


class NotFetched(BadFile):
    """The file can't be had from its URL."""

    request_error = FileNotFetched


@contextmanager
def as_request_error(field: str | None) -> Iterator[None]:
    """Tell what is wrong with a file as an error of the request.

    Args:
        field: the field in which a client sent the file; None for a file of the service's own.
    """
    try:
        yield
    except BadFile as error:
        if field is None:
            raise
        raise error.request_error(f"{field}: {error}") from error
