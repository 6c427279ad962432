"""The one shape that every decoder produces."""

from __future__ import annotations

from typing import Any, NamedTuple


class Fields(NamedTuple):
    """What a client sent, by name.

    Args:
        values: the fields.
        textual: whether each value is text that stands for a number, a switch and so on, as in a query
            string.
    """

    values: dict[str, Any]
    textual: bool = False
