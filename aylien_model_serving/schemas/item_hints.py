"""The parameters of batched handlers: each gets a list with a value of each call, and its hint says so.

Pure.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import batch_hints, library_types
from aylien_model_serving.schemas.handler_hints import hints_of


def refuse_hints_of_single_values(function: Callable[..., Any]) -> None:
    """Refuse a function that is called with a list for each parameter, and hints a single value.

    Args:
        function: a function or a method, unbound too; hints that can't be resolved are not looked at.

    Raises:
        ConfigurationError: a hint names no list; the message says which would.
    """
    hints = hints_of(function).found
    for name in Signature.of(function).known:
        if name in hints:
            item_hint_of(name, hints[name])


def item_hint_of(name: str, hint: Any) -> Any:
    """Return the hint of one item of a batched parameter; Any if it is not checked.

    Args:
        name: of the parameter.
        hint: of the list.

    Raises:
        ConfigurationError: it names no list.
    """
    item = batch_hints.item_of(hint)
    if item is not None:
        return item
    if batch_hints.accepts_anything(hint) or any(map(library_types.is_known, (hint, *get_args(hint)))):
        return Any
    raise ConfigurationError(
        f"parameter {name!r} of a batched handler gets a list, one value for each call: "
        f"write {batch_hints.corrected_hint(hint)}, not {inspect.formatannotation(hint)}"
    )
