"""Tensors as requests and replies carry them: checked, and free of the form in which they are sent. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from aylien_model_serving.errors import MalformedBody
from aylien_model_serving.open_inference import datatypes
from aylien_model_serving.open_inference.datatypes import BYTES

#: Dimensions that a tensor may have, as many as numpy allows.
_MAX_DIMENSIONS = 64

#: The largest length of a dimension; numpy and protobuf have no larger one.
_MAX_LENGTH = 2**63 - 1


class Tensor(NamedTuple):
    """A tensor with a name.

    Args:
        name: of the input or output.
        datatype: as the protocol calls it.
        shape: the length of each dimension.
        data: the numbers, packed; of BYTES a list of the elements.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes | list[bytes]

    @property
    def elements(self) -> list[Any]:
        """The elements, as numbers of Python or as bytes, the last dimension first."""
        if isinstance(self.data, list):
            return self.data
        return datatypes.unpack(self.datatype, self.data)

    @property
    def packed(self) -> bytes:
        """The elements in one, as the binary forms have them."""
        return datatypes.pack_texts(self.data) if isinstance(self.data, list) else self.data

    def rows(self, count: int) -> list[Tensor]:
        """Return the tensors within this one's first dimension, which has this length."""
        shape = self.shape[1:]
        step = len(self.data) // count if count else 0
        return [
            Tensor(self.name, self.datatype, shape, self.data[step * index : step * (index + 1)])
            for index in range(count)
        ]


class Declared(NamedTuple):
    """What a request says of a tensor beside its data."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many elements its shape has."""
        return math.prod(self.shape)

    def refused(self, problem: str) -> MalformedBody:
        """Return the error that tells what is wrong with it."""
        return MalformedBody(f"input {self.name[:80]!r}: {problem}")

    def of_packed(self, packed: bytes) -> Tensor:
        """Return the tensor whose elements are packed in one.

        Raises:
            MalformedBody: there are more or fewer of them than the shape has.
        """
        if self.datatype == BYTES:
            try:
                return self._of_texts(datatypes.unpack_texts(packed, self.size))
            except ValueError as error:
                raise self.refused(f"its data does not fit its shape: {error}") from None
        declared = self.size * datatypes.NUMBERS[self.datatype].size
        if declared != len(packed):
            raise self.refused(
                f"its shape and datatype declare {_shown(declared)} bytes, and it has {len(packed)}"
            )
        return Tensor(*self, packed)

    def of_elements(self, elements: Sequence[Any]) -> Tensor:
        """Return the tensor of numbers of Python, or of bytes.

        Raises:
            MalformedBody: there are more or fewer of them than the shape has, or one is of another datatype.
        """
        if self.datatype == BYTES:
            return self._of_texts(list(elements))
        self._check_count(len(elements))
        try:
            return Tensor(*self, datatypes.pack(self.datatype, elements))
        except ValueError as error:
            raise self.refused(str(error)) from None

    def _of_texts(self, elements: list[bytes]) -> Tensor:
        self._check_count(len(elements))
        return Tensor(*self, elements)

    def _check_count(self, found: int) -> None:
        if found != self.size:
            raise self.refused(f"its shape has {_shown(self.size)} elements, and its data {found}")


def declared(name: Any, datatype: Any, shape: Sequence[Any]) -> Declared:
    """Return what a request says of a tensor, checked.

    Raises:
        MalformedBody: a part of it can't be.
    """
    if not isinstance(name, str) or not name:
        raise MalformedBody("inputs: each has a 'name', a text")
    found = Declared(name, datatype, tuple(shape))
    if datatype not in datatypes.NAMES:
        raise found.refused(f"'datatype' is one of {', '.join(datatypes.NAMES)}, not {str(datatype)[:40]!r}")
    if len(found.shape) > _MAX_DIMENSIONS:
        raise found.refused(f"'shape' has up to {_MAX_DIMENSIONS} dimensions")
    if not all(type(length) is int and 0 <= length <= _MAX_LENGTH for length in found.shape):
        raise found.refused("'shape' is a list of lengths, which are whole numbers of 0 or more")
    return found


def flattened(nested: Any, dimensions: int | None = None) -> tuple[list[Any], tuple[int, ...]]:
    """Return the elements of lists within lists, and their shape.

    Args:
        nested: lists or tuples.
        dimensions: how many levels are lists; None for as many as there are.

    Raises:
        ValueError: lists of one level differ in length, or are not lists.
    """
    level: list[Any] = [nested]
    shape: list[int] = []
    while level and (len(shape) != dimensions if dimensions is not None else isinstance(level[0], _LISTS)):
        if not all(isinstance(part, _LISTS) for part in level):
            raise ValueError("lists that are equally deep are expected")
        if len(set(map(len, level))) != 1:
            raise ValueError("lists of one length are expected")
        if len(shape) == _MAX_DIMENSIONS:
            raise ValueError(f"up to {_MAX_DIMENSIONS} levels of lists are expected")
        shape.append(len(level[0]))
        level = list(chain.from_iterable(level))
    shape += [0] * ((dimensions or 0) - len(shape))
    return level, tuple(shape)


_LISTS = (list, tuple)


def _shown(number: int) -> str:
    return str(number) if number <= _MAX_LENGTH else "more than there can be"
