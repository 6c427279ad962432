"""Fields that are files: type hints of files, uploads of forms, and the field that a file names in messages.

Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from aylien_model_serving.media.files import MediaFile
from aylien_model_serving.media.incoming import IncomingFile
from aylien_model_serving.schemas.models import is_model

Uploads = Mapping[str, IncomingFile | list[str | IncomingFile]]


def is_file(kind: Any) -> bool:
    """Return whether a type is a class of files."""
    return isinstance(kind, type) and issubclass(kind, MediaFile)


def names_file(hint: Any) -> bool:
    """Return whether a type hint contains a class of files."""
    return is_file(hint) or any(map(names_file, get_args(hint)))


def may_be_file(hint: Any) -> bool:
    """Return whether a result of this type hint may be a file; one without a hint may be anything."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else [hint]
    return any(part is None or part is Any or part is object or is_file(part) for part in parts)


def replace_uploads(values: dict[str, Any], uploads: Uploads, names: Collection[str]) -> dict[str, Any]:
    """Return the values with the files of a form in place of their plain bytes.

    A browser sends a nameless empty file where none was chosen: such a field counts as absent.
    """
    replaced = dict(values)
    for name in names & uploads.keys():
        sent = uploads[name]
        kept = [item for item in (sent if isinstance(sent, list) else [sent]) if item]
        if not kept:
            del replaced[name]
        else:
            replaced[name] = kept if isinstance(sent, list) else kept[0]
    return replaced


def set_file_fields(value: Any, label: str) -> None:
    """Set the field name, as the client knows it, of all files within a value.

    Args:
        value: of a field, or fields.
        label: the field's name; empty for fields that have no name around them.
    """
    for file, where in _files_in(value, label):
        file.set_field(where.removeprefix("."))


def set_deadlines(value: Any, deadline: float) -> None:
    """Set when nobody waits any more for what is done with the files within a value."""
    for file, _ in _files_in(value, ""):
        file.set_deadline(deadline)


def may_wait(value: Any) -> bool:
    """Return whether a file within a value has still to be fetched, or to be decoded."""
    return any(file.may_wait() for file, _ in _files_in(value, ""))


def _files_in(value: Any, label: str) -> Iterator[tuple[MediaFile, str]]:
    if isinstance(value, MediaFile):
        yield value, label
        return
    is_listed, parts = _parts(value)
    for key, item in parts:
        if type(item) not in _PLAIN:
            name = str(key)[:_MAX_KEY]
            yield from _files_in(item, f"{label}[{name}]" if is_listed else f"{label}.{name}")


#: Types that hold no file, of which a list may have very many.
_PLAIN = frozenset({str, int, float, bool, bytes, NoneType})

#: Letters of a key that the name of a field shows: each file within a dict would repeat a long key.
_MAX_KEY = 80


def _parts(value: Any) -> tuple[bool, Iterable[tuple[Any, Any]]]:
    """Return the parts of a value by their keys or names, and whether it is a list or a mapping."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return True, enumerate(value)
    if isinstance(value, Mapping):
        return True, value.items()
    return False, ((name, getattr(value, name)) for name in _field_names(value))


def _field_names(value: Any) -> Iterable[str]:
    if isinstance(value, msgspec.Struct):
        return tuple(value.__struct_fields__)
    if is_model(type(value)):
        return tuple(type(value).model_fields)
    return [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else ()
