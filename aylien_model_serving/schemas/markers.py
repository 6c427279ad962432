"""What `Annotated` says of an array, beside its type: `Shape` and `DType`.

Pure. msgspec does not see what `Annotated` adds, so a class stands in for the type and what is said of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.schemas import hint_parts


class Shape:
    """The shape of an array or a tensor, as in `Annotated[np.ndarray, Shape(None, 28, 28)]`.

    Args:
        sizes: the length of each dimension; None for any.

    Raises:
        ConfigurationError: a size is no length.
    """

    __slots__ = ("sizes",)

    def __init__(self, *sizes: int | None) -> None:
        for size in sizes:
            if size is not None and (type(size) is not int or size < 0):
                raise ConfigurationError(f"Shape takes a length or None for each dimension, not {size!r}")
        self.sizes = sizes

    def fits(self, found: tuple[int, ...]) -> bool:
        """Return whether an array of this shape is one that is wanted."""
        return len(found) == len(self.sizes) and all(
            size in (None, length) for size, length in zip(self.sizes, found, strict=True)
        )

    def __str__(self) -> str:
        return f"({', '.join('any' if size is None else str(size) for size in self.sizes)})"

    def __repr__(self) -> str:
        return f"Shape({', '.join(map(str, self.sizes))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and other.sizes == self.sizes

    def __hash__(self) -> int:
        return hash(self.sizes)


class DType:
    """The type of an array's or a tensor's items, as in `Annotated[np.ndarray, DType("float32")]`.

    Args:
        name: as numpy or torch calls it.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"DType({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DType) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


#: What may be said of an array.
MARKERS = (Shape, DType)


class MarkedArray(type):
    """The class of classes that stand in for an array of which `Annotated` says something.

    msgspec has values of such a class made by a hook, and takes whatever is made for one.
    """

    kind: Any
    shape: Shape | None
    dtype: DType | None

    def __instancecheck__(cls, value: object) -> bool:
        return True


def kind_of(kind: Any) -> Any:
    """Return the type that a class stands in for, or the type itself."""
    return kind.kind if isinstance(kind, MarkedArray) else kind


def shape_of(kind: Any) -> Shape | None:
    """Return the shape that is said of a type, where there is one."""
    return kind.shape if isinstance(kind, MarkedArray) else None


def dtype_name_of(kind: Any) -> str | None:
    """Return the name of the dtype that is said of a type, where there is one."""
    return kind.dtype.name if isinstance(kind, MarkedArray) and kind.dtype is not None else None


def stood_in(hint: Any, is_markable: Callable[[Any], bool]) -> Any:
    """Return a hint in which a class stands for each array of which something is said.

    Args:
        hint: is not changed; fields of classes are not looked at.
        is_markable: returns whether a type is one of arrays.

    Raises:
        ConfigurationError: something is said of what is no array, or twice.
    """
    return hint_parts.replaced(hint, lambda kind: _stood_in(kind, is_markable))


def _stood_in(kind: Any, is_markable: Callable[[Any], bool]) -> Any:
    if get_origin(kind) is not Annotated:
        return kind
    inner, *extras = get_args(kind)
    shapes = [extra for extra in extras if isinstance(extra, Shape)]
    dtypes = [extra for extra in extras if isinstance(extra, DType)]
    if not shapes and not dtypes:
        return kind
    if len(shapes) > 1 or len(dtypes) > 1:
        raise ConfigurationError("Shape and DType can be said once of an array")
    shape = shapes[0] if shapes else None
    dtype = dtypes[0] if dtypes else None

    def replace(part: Any) -> Any:
        return stand_in(part, shape, dtype) if is_markable(part) else part

    found = hint_parts.replaced(inner, replace)
    if found is inner:
        raise ConfigurationError("Shape and DType are said of an array or a tensor, and this hint names none")
    return found


def stand_in(kind: Any, shape: Shape | None, dtype: DType | None) -> MarkedArray:
    """Return the class that stands for an array and what is said of it."""
    said = ", ".join(repr(marker) for marker in (shape, dtype) if marker is not None)
    name = f"Annotated[{getattr(kind, '__name__', kind)}, {said}]"
    found = MarkedArray(name, (), {"__module__": "builtins"})  # so that messages show the bare name
    found.kind, found.shape, found.dtype = kind, shape, dtype
    return found


def nested(shape: Shape, item: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of lists within lists of a shape."""
    for size in reversed(shape.sizes):
        item = {"type": "array", "items": item}
        if size is not None:
            item |= {"minItems": size, "maxItems": size}
    return item
