"""Values that JSON never has, some of which deceive checks that do not compare exact types."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from enum import IntEnum


class Text(str):
    """A str that is not quite one."""

    __slots__ = ()

    def isascii(self) -> bool:
        """Deceive who asks."""
        return True


class Whole(int):
    """An int that is not quite one."""

    def __le__(self, other: object) -> bool:
        """Deceive who compares."""
        return True

    __ge__ = __lt__ = __gt__ = __le__


class Code(IntEnum):
    """An int with a name."""

    ONE = 1


class Chameleon:
    """A key that equals every name of its hash, and more."""

    def __init__(self, name: str) -> None:
        """Take the hash of a name."""
        self.name = name

    def __hash__(self) -> int:
        """Look like the name in a dict."""
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        """Look like everything else, too."""
        return True


ODD = [
    *(None, True, False, b"", b"YQ==", bytearray(b"YQ=="), (), (1,), [], [None], [[]], {}, {"a": 1}, {1: 2}),
    *(OrderedDict(a=1), Text("abc"), Text("\ud800"), Whole(2**70), Code.ONE, Decimal(1), 1j, {1}, object()),
    *(float("nan"), float("inf"), float("-inf"), 1e300, 10**400, {"@type": "x"}, {"value": 1}, range(2)),
]
