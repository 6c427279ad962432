"""Schemas made of a handler's type hints.

Pure. The type hints become one msgspec struct. Types that msgspec does not know are built by pydantic or
numpy; a hint with any other type is not checked at all.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_type_hints

import msgspec

from aylien_model_serving.background.tasks import hint_without_tasks
from aylien_model_serving.codecs import JSON, Encoder, decoders_of, image_responses
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.codecs.forms import MAX_PARTS
from aylien_model_serving.errors import ConfigurationError, InvalidAnswer, SchemaMismatch, TooManyItems
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.media.incoming import IncomingFile
from aylien_model_serving.schemas import arrays, batch_hints, collisions, description, models, uploads
from aylien_model_serving.schemas.base import Schema, merge


class TypeHintsSchema(Schema):
    """Validates names against the signature, and values against the type hints.

    Args:
        handler: the callable whose hints are used.
        signature: the parameters of the handler.
        typed: whether values are checked against the hints; otherwise only names are.
        batched: whether the handler takes a list of each field, and returns a list: the fields and the result
            of a call are checked as items of them.

    Raises:
        ConfigurationError: a hint of a batched handler is not a list; the package that decodes a file is
            missing, or a hint combines files with other types.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        signature: Signature,
        *,
        typed: bool = True,
        batched: bool = False,
    ) -> None:
        self._signature = signature
        hints = _hints(handler) if typed else {}
        self._returns = hints.pop("return", None)
        self.takes_data = any(map(_names_data, hints.values()))
        if batched:
            self._returns = batch_hints.result_of(self._returns)
            hints = {name: _item_hint(name, hint) for name, hint in hints.items() if name in signature.known}
        self._hints = {
            name: hint
            for name, hint in hints.items()
            if name in signature.known and hint is not Any and _is_checkable(hint)
        }
        self._files = _file_fields(hints, self._hints)
        held = {name: _models_in(hint) for name, hint in self._hints.items()}
        self._has_models = any(held.values())
        self._with_sets = frozenset(
            name
            for name, hint in self._hints.items()
            if collisions.has_set(hint) or any(models.may_hold(kind, models.SET) for kind in held[name])
        )
        self._returns = hint_without_tasks(self._returns)
        self._model = self._returns if models.is_model(self._returns) else None
        self._may_be_file = uploads.may_be_file(self._returns)
        fields = [(name, hint, msgspec.UNSET) for name, hint in self._hints.items()]
        self._struct = msgspec.defstruct("Fields", fields, kw_only=True) if fields else None

    def limit_items(self, max_items: int) -> None:
        self.decoders = decoders_of(max_items, numbers=self._has_models)

    def arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        values = merge(fields.values, path_values)
        if self._files:
            values = uploads.replace_uploads(values, fields.uploads, self._files)
        self._signature.check(values)
        if self._struct is None:
            return values
        for name in self._with_sets & values.keys():
            collisions.refuse_large_integers(name, values[name])
        try:
            typed = msgspec.convert(
                values,
                self._struct,
                strict=not fields.textual,
                dec_hook=_LimitedFiles().build if self._files else _build_custom_type,
            )
        except msgspec.ValidationError as error:
            if fields.textual and _wrap_lists(values, self._hints):
                return self.arguments(Fields(values, textual=True), {})
            raise SchemaMismatch(_client_message(str(error))) from None
        except TypeError as error:  # a list within a set[Any], which msgspec lets Python refuse
            raise SchemaMismatch(f"The fields do not fit: {error}") from None
        found = {
            name: getattr(typed, name) if name in self._hints else value for name, value in values.items()
        }
        if fields.textual:
            _refuse_infinite(found, self._hints)
        for name in self._files & found.keys():
            uploads.set_file_fields(found[name], name)
        return found

    def encoder(self, accept: str) -> Encoder:
        return image_responses.encoder_for(accept) if self._may_be_file else JSON

    def set_deadline(self, arguments: dict[str, Any], deadline: float) -> None:
        for name in self._files & arguments.keys():
            uploads.set_deadlines(arguments[name], deadline)

    def may_wait(self, arguments: dict[str, Any]) -> bool:
        return any(uploads.may_wait(arguments[name]) for name in self._files & arguments.keys())

    def check_result(self, result: Any) -> Any:
        if self._model is None:
            return result
        try:
            return models.validated(self._model, result, from_attributes=True)
        except models.ModelMismatch as error:
            raise InvalidAnswer(f"The answer does not fit {self._model.__name__}: {error}") from error

    def describe(self, prefix: str) -> description.Description:
        return description.of_hints(self._signature, self._hints, self._returns, prefix)


def _hints(handler: Callable[..., Any]) -> dict[str, Any]:
    """Return the hints of a function, a bound method, or an instance's `__call__`."""
    target = inspect.unwrap(getattr(handler, "func", handler))
    if not inspect.isroutine(target):
        target = type(target).__call__
    try:
        hints = get_type_hints(target, include_extras=True)
        parameters = inspect.signature(target).parameters
    except (NameError, TypeError, ValueError, AttributeError):
        return {}
    for name in hints.keys() & parameters.keys():
        if parameters[name].default is None:  # `x: int = None` takes null too
            hints[name] |= None
    return hints


def array_parameters(
    handler: Callable[..., Any], signature: Signature, *, batched: bool
) -> dict[str, arrays.ArrayHint]:
    """Return the parameters of a handler that take an array, with their hints."""
    hints = _hints(handler)
    if batched:
        hints = {name: batch_hints.item_of(hint) for name, hint in hints.items()}
    found = {name: arrays.array_hint_of(hints[name]) for name in signature.known if name in hints}
    return {name: hint for name, hint in found.items() if hint is not None}


def _item_hint(name: str, hint: Any) -> Any:
    """Return the hint of one item of a batched parameter; Any if it is not checked."""
    item = batch_hints.item_of(hint)
    if item is not None:
        return item
    if (
        batch_hints.accepts_anything(hint)
        or not _is_checkable(hint)
        or any(map(arrays.is_array, (hint, *get_args(hint))))
    ):
        return Any
    raise ConfigurationError(
        f"parameter {name!r} of a batched handler gets a list, one value for each call: "
        f"write {batch_hints.corrected_hint(hint)}, not {inspect.formatannotation(hint)}"
    )


def _file_fields(hints: dict[str, Any], checked: dict[str, Any]) -> frozenset[str]:
    """Return the names of the parameters that take files, alone or nested."""
    for name, hint in hints.items():
        if name not in checked and uploads.names_file(hint):
            raise ConfigurationError(
                f"parameter {name!r} can't be checked: a file stands alone, in a list or beside None, as in "
                f"ImageFile | None, and MediaFile takes every kind: not {inspect.formatannotation(hint)}"
            )
    found = {
        name: [
            kind for kind in _custom_types(msgspec.inspect.type_info(hint), set()) if uploads.is_file(kind)
        ]
        for name, hint in checked.items()
    }
    for kind in (kind for kinds in found.values() for kind in kinds):
        kind.ensure_package()
    return frozenset(name for name, kinds in found.items() if kinds)


def _is_checkable(hint: Any) -> bool:
    """Return whether msgspec can check values of this type, with the help of `_build_custom_type`."""
    try:
        msgspec.json.Decoder(hint)
        return all(_is_buildable(kind) for kind in _custom_types(msgspec.inspect.type_info(hint), set()))
    except (TypeError, ValueError):
        return False


def _custom_types(node: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the classes within a type that msgspec does not support itself."""
    if isinstance(node, msgspec.inspect.CustomType):
        yield node.cls
    elif isinstance(node, (tuple, msgspec.inspect.Type, msgspec.inspect.Field)) and id(node) not in seen:
        seen.add(id(node))
        inner = node if isinstance(node, tuple) else (getattr(node, name) for name in node.__struct_fields__)
        for part in inner:
            yield from _custom_types(part, seen)


def _names_data(hint: Any) -> bool:
    """Return whether a hint names data as such: bytes, an array or a file, alone or within."""
    is_data = hint in _BYTES or arrays.is_array(hint) or uploads.is_file(hint)
    return is_data or any(map(_names_data, get_args(hint)))


_BYTES = (bytes, bytearray, memoryview)


def _models_in(hint: Any) -> list[Any]:
    return [kind for kind in _custom_types(msgspec.inspect.type_info(hint), set()) if models.is_model(kind)]


def _is_buildable(wanted: Any) -> bool:
    return arrays.is_array(wanted) or uploads.is_file(wanted) or models.is_model(wanted)


def _build_custom_type(wanted: Any, value: Any) -> Any:
    """Build a value of a type that msgspec does not support."""
    if arrays.is_array(wanted):
        return arrays.build(wanted, value)
    if uploads.is_file(wanted):
        return wanted.from_any(value)
    return models.validated(wanted, value)


class _LimitedFiles:
    """Builds the values of one call that msgspec does not support, of which so many may be files.

    Each file is an object with a media type and a name; a body may list one for each seven bytes.
    """

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_PARTS

    def build(self, wanted: Any, value: Any) -> Any:
        if uploads.is_file(wanted):
            self._left -= 1
            if self._left < 0:
                raise TooManyItems(f"There are more than {MAX_PARTS:,} files, as many as are accepted here")
        return _build_custom_type(wanted, value)


def _wrap_lists(values: dict[str, Any], hints: dict[str, Any]) -> bool:
    """Wrap in a list each field that is declared as a list and was given once in a query string or a form."""
    wrapped = False
    for name, hint in hints.items():
        if isinstance(values.get(name), (str, bytes, IncomingFile)) and _is_list(hint):
            values[name] = [values[name]]
            wrapped = True
    return wrapped


def _refuse_infinite(values: dict[str, Any], hints: dict[str, Any]) -> None:
    """Refuse the words nan and inf, which msgspec takes for numbers in text; JSON has none of them.

    Raises:
        SchemaMismatch: a number of the query or the form is not finite.
    """
    for name in values.keys() & hints.keys():
        given = values[name]
        for number in given if type(given) in (list, tuple, set, frozenset) else (given,):
            if type(number) is float and not math.isfinite(number):
                raise SchemaMismatch(f"{name}: a finite number is expected")


def _is_list(hint: Any) -> bool:
    kinds = (
        getattr(hint, "__origin__", hint),
        *(getattr(arg, "__origin__", arg) for arg in getattr(hint, "__args__", ())),
    )
    return any(kind in (list, tuple, set, frozenset) for kind in kinds)


def _client_message(message: str) -> str:
    """Return msgspec's message with the path as the client knows it: `$.text[0]` is text[0]."""
    problem, at, path = message.rpartition(" - at `$.")
    return f"{path.rstrip('`')}: {problem}" if at else message
