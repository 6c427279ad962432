"""The functions of `BatchOptions`, which cross to another process by their import names."""

from __future__ import annotations

from typing import Any

import msgspec

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.rpc import spec


def named(batching: BatchOptions | None) -> BatchOptions | None:
    """Return options with names in place of functions.

    Raises:
        ConfigurationError: another process would not find a function by its name.
    """
    if batching is None:
        return None
    return msgspec.structs.replace(
        batching,
        group_by=_name_of("group_by", batching.group_by),
        size_of=_name_of("size_of", batching.size_of),
    )


def found(batching: BatchOptions | None) -> BatchOptions | None:
    """Return options with functions in place of names.

    Raises:
        ImportError: there is no such module.
        AttributeError: a module has no such function.
    """
    if batching is None:
        return None
    return msgspec.structs.replace(
        batching, group_by=_find(batching.group_by), size_of=_find(batching.size_of)
    )


def _name_of(option: str, function: Any) -> str | None:
    try:
        return None if function is None else spec.import_name_of(function)
    except ConfigurationError as error:
        raise ConfigurationError(f"key 'batch': option {option!r}: {error}") from error


def _find(name: str | None) -> Any:
    return None if name is None else spec.find(name)
