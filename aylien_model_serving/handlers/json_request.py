"""The request of a handler that is called as `handler(context, request)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """The fields of one request, for the second parameter of a handler below `@app.handler`.

    Args:
        json: the fields, as a client sent them.
    """

    json: dict[str, Any]
