"""What the code that answers a request reads of it beside the fields: headers, cookies, the caller.

Standard library only. A cached reply is shared by requests that are equal in all that was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Stands for the caller among the names of headers, of which none begins with a colon.
CALLER = ":caller"

#: Stands for more than can be compared, such as all headers.
EVERYTHING = "*"

#: The names of what was read so far, headers in lower case; None where nobody wants to know.
current: ContextVar[set[str] | None] = ContextVar("model_serving_reads", default=None)


def note(name: str) -> None:
    """Add to what was read."""
    names = current.get()
    if names is not None:
        names.add(name)


@contextmanager
def recorded(names: set[str]) -> Iterator[None]:
    """Record what is read within the block.

    Args:
        names: gets the names of it.
    """
    token = current.set(names)
    try:
        yield
    finally:
        current.reset(token)


class RecordForAll(set[str]):
    """The record of several requests that are answered by one run.

    Args:
        records: of each of them.
    """

    def __init__(self, records: Iterable[set[str]]) -> None:
        super().__init__()
        self._records = tuple(records)

    def add(self, name: str) -> None:
        for record in self._records:
            record.add(name)
