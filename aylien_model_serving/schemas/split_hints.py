"""The hints of a call whose items join batches one by one: its field and its result are lists of items.

A batched handler's own hints are those of the items: `list[Item]` is one item for each place in the batch.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from types import GenericAlias, NoneType
from typing import Annotated, Any, get_args, get_origin

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.schemas import batch_hints
from aylien_model_serving.schemas.handler_hints import hints_of


def of_call(handler: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return what is hinted as a batched handler whose calls have a list of items each; it is never called.

    Args:
        handler: the batched handler.
        name: of the field that has the items.

    Raises:
        ConfigurationError: there is no such field, or it is not a list, or may be left out.
    """
    signature = inspect.signature(handler)
    parameter = signature.parameters.get(name)
    if parameter is None or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        fields = ", ".join(signature.parameters) or "none"
        raise ConfigurationError(f"option 'split': the callable takes no field {name!r}; it takes {fields}")
    if parameter.default is not parameter.empty:
        raise ConfigurationError(f"option 'split': the items can't be left out: {name!r} has a default")
    hints = dict(hints_of(handler).found)
    hints[name] = _list_of(hints.get(name, list[Any]), name)
    if "return" in hints and batch_hints.result_of(hints["return"]) is not None:
        hints["return"] = list[list[batch_hints.result_of(hints["return"])]]  # type: ignore[misc]  # known at run time

    def call(**fields: Any) -> None: ...

    call.__annotations__ = hints
    call.__module__, call.__qualname__ = handler.__module__, _name_of(handler)
    vars(call)["__signature__"] = signature
    return call


def _list_of(hint: Any, name: str) -> Any:
    """Return a list of a hint, which keeps what `Annotated` adds to it."""
    members = batch_hints.members_of(hint)
    if batch_hints.item_of(hint) is None or NoneType in members:
        lists = [part for part in members if batch_hints.item_of(part) is not None]
        wanted = inspect.formatannotation(lists[0]) if lists else batch_hints.corrected_hint(hint)
        raise ConfigurationError(
            f"option 'split': parameter {name!r} gets a list of items: write {wanted}, "
            f"not {inspect.formatannotation(hint)}"
        )
    if get_origin(hint) is not Annotated:
        return list[hint]
    whole = GenericAlias(list, (get_args(hint)[0],))
    return operator.getitem(Annotated, (whole, *hint.__metadata__))


def _name_of(handler: Callable[..., Any]) -> str:
    return getattr(handler, "__qualname__", type(handler).__qualname__)
