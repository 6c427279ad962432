"""Errors of files that can't be decoded, with messages that a client may read.

Pure. A file that the service made itself raises these, and they are errors of the service; for a file that
a client sent they become errors of the request that name the field.

ValueError
└── BadFile
    └── TooLarge
"""

from __future__ import annotations

from aylien_model_serving.errors import FileTooLarge, SchemaMismatch, ServingError


class BadFile(ValueError):
    """The bytes are not a valid file of the expected kind."""

    request_error: type[ServingError] = SchemaMismatch


class TooLarge(BadFile):
    """The file exceeds a limit."""

    request_error = FileTooLarge
