"""The fields of a request, as every decoder returns them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from aylien_model_serving.media.incoming import IncomingFile

_NO_UPLOADS: Mapping[str, IncomingFile | list[str | IncomingFile]] = MappingProxyType({})


class Fields(NamedTuple):
    """The fields of a request, by name.

    Args:
        values: the fields.
        textual: whether each value is text that stands for a number, a boolean and so on, as in a query
            string.
        uploads: the values that came as files, with their names and types; they are among the values too, as
            plain bytes.
        proven: names of values that are certain to fit the schema, since its own decoder made them.
        bound: whether the only value has the name of the parameter that the whole body is for, which the body
            does not say.
    """

    values: dict[str, Any]
    textual: bool = False
    uploads: Mapping[str, IncomingFile | list[str | IncomingFile]] = _NO_UPLOADS
    proven: frozenset[str] = frozenset()
    bound: bool = False
