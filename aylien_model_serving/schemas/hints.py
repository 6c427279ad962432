"""Schemas made of a handler's type hints.

Pure. The hints that msgspec knows whole become one struct of its; models, arrays and files within are built
by pydantic, numpy and `media/`. Other hints are checked by pydantic, one by one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_args

import msgspec

from aylien_model_serving.background.tasks import hint_without_tasks
from aylien_model_serving.codecs import JSON, Decode, Encoder, decoders_of, file_responses, json
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import ConfigurationError, InvalidAnswer, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import (
    arrays,
    batch_hints,
    collisions,
    decimals,
    description,
    form_fields,
    item_hints,
    library_types,
    models,
    opening,
    uploads,
)
from aylien_model_serving.schemas.base import Schema, merge
from aylien_model_serving.schemas.handler_hints import HandlerHints, hints_of, result_hint_of
from aylien_model_serving.schemas.hint_checkers import normalized, pydantic_hint
from aylien_model_serving.schemas.long_fields import LongFields
from aylien_model_serving.schemas.msgspec_types import Builder, build, custom_types, fault_of
from aylien_model_serving.schemas.pydantic_hints import PydanticHint


class TypeHintsSchema(Schema):
    """Validates names against the signature, and values against the type hints.

    Args:
        handler: the callable whose hints are used.
        signature: the parameters of the handler.
        typed: whether values are checked against the hints; otherwise only names are.
        batched: whether the handler takes a list of each field, and returns a list: the fields and the result
            of a call are checked as items of them.

    Raises:
        ConfigurationError: a hint can't be resolved or checked; one of a batched handler is not a list; the
            package that decodes a file is missing.
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
        hints = _needed_hints(hints_of(handler), signature) if typed else {}
        self._returns = result_hint_of(handler, hints.pop("return", None)) if typed else None
        self.takes_data = any(map(names_data, hints.values()))
        if batched:
            self._returns = batch_hints.result_of(self._returns)
            hints = {name: item_hints.item_hint_of(name, hint) for name, hint in hints.items()}
        self._hints, self._by_pydantic = _checkers(hints)
        self._files = _file_fields(self._hints)
        held = {name: _models_in(hint) for name, hint in self._hints.items()}
        held |= {name: [hint.model] for name, hint in self._by_pydantic.items()}
        self._has_models = any(held.values())
        hashed = {name: collisions.of_hint(hint) for name, hint in self._hints.items()}
        self._hashed = {
            name: collisions.together(
                [*map(collisions.of_model, kinds), hashed.get(name, collisions.Hashed())]
            )
            for name, kinds in held.items()
        }
        self._hashed = {name: hashed for name, hashed in self._hashed.items() if any(hashed)}
        self._returns = hint_without_tasks(self._returns)
        self._check_result = _check_of_result(self._returns)
        if others := library_types.encoders_of(self._returns):
            self.encoders = (JSON, *others)
        self._may_be_file = uploads.may_be_file(self._returns)
        fields = [(name, hint, msgspec.UNSET) for name, hint in self._hints.items()]
        self._struct = msgspec.defstruct("Fields", fields, kw_only=True) if fields else None
        self.hints, self.result_hint = self._all_hints(), self._returns
        self._long = LongFields(self._hints, self._files | self._hashed.keys(), build)

    def limit_items(self, max_items: int) -> None:
        self.decoders = self._decoders(max_items)

    def _decoders(self, max_items: int, whole: str | None = None) -> Mapping[str, Decode]:
        """Return the decoders of bodies.

        Args:
            max_items: see `limit_items`.
            whole: the name of the parameter that a body of JSON is the value of, where it has no fields.
        """
        exact = self._exact_names()
        return decoders_of(
            max_items,
            numbers=self._has_models or bool(exact),
            exact=exact,
            whole=whole,
            raw=self.raw,
            expected=self.expected,
        )

    def _exact_names(self) -> frozenset[str]:
        """Return the names of the fields whose numbers are read digit by digit."""
        return decimals.names_of(self._all_hints())

    def arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        values = merge(fields.values, path_values)
        if self._files:
            values = uploads.replace_uploads(values, fields.uploads, self._files)
        self._signature.check(values)
        if not (self._hints or self._by_pydantic):
            return values
        for name in self._hashed.keys() & values.keys():
            self._hashed[name].refuse(name, values[name])
        try:
            found = self._checked(values, fields.textual)
        except SchemaMismatch as fault:
            if not fields.textual:
                raise
            found = form_fields.read_as_sent(values, self._all_hints(), self._checked_as_sent, fault)
        for name in self._files & found.keys():
            uploads.set_file_fields(found[name], name)
        return found

    def read_text(self, values: Mapping[str, Any]) -> dict[str, Any]:
        read = dict(values)
        try:
            found = self._checked(read, textual=True)
        except SchemaMismatch as fault:
            check = partial(self._checked, textual=True)
            found = form_fields.read_as_sent(read, self._all_hints(), check, fault)
        return {name: json.as_received(value) for name, value in found.items()}

    def _all_hints(self) -> dict[str, Any]:
        return self._hints | {name: checker.hint for name, checker in self._by_pydantic.items()}

    def _checked_as_sent(self, values: dict[str, Any]) -> dict[str, Any]:
        self._signature.check(values)
        for name in self._hashed.keys() & values.keys():
            self._hashed[name].refuse(name, values[name])
        return self._checked(values, textual=True)

    def _checked(self, values: dict[str, Any], textual: bool) -> dict[str, Any]:
        """Return the values as the hints say."""
        found = self._converted(values, textual) if self._struct is not None else dict(values)
        for name in self._by_pydantic.keys() & found.keys():
            found[name] = self._by_pydantic[name].value(found[name], textual=textual)
        return found

    def _converted(self, values: dict[str, Any], textual: bool) -> dict[str, Any]:
        """Return the values, those whose hints msgspec knows as they say."""
        try:
            typed = msgspec.convert(
                values,
                self._struct,
                strict=not textual,
                str_keys=True,
                dec_hook=Builder(textual).build if textual or self._files else build,
            )
        except msgspec.ValidationError as error:
            raise SchemaMismatch(_client_message(str(error))) from None
        except TypeError as error:  # a list within a set[Any], which msgspec lets Python refuse
            raise SchemaMismatch(f"The fields do not fit: {error}") from None
        found = {
            name: getattr(typed, name) if name in self._hints else value for name, value in values.items()
        }
        if textual:
            form_fields.refuse_infinite(found, self._hints)
        return found

    def large_arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        return self._long.arguments(self.arguments, fields, path_values)

    def encoder(self, accept: str) -> Encoder:
        return file_responses.encoder_for(accept) if self._may_be_file else super().encoder(accept)

    def set_deadline(self, arguments: dict[str, Any], deadline: float) -> None:
        for name in self._files & arguments.keys():
            uploads.set_deadlines(arguments[name], deadline)

    def may_wait(self, arguments: dict[str, Any]) -> bool:
        return any(uploads.may_wait(arguments[name]) for name in self._files & arguments.keys())

    def check_result(self, result: Any) -> Any:
        return result if self._check_result is None else self._check_result(result)

    def describe(self, prefix: str) -> description.Description:
        models = {name: hint.model for name, hint in self._by_pydantic.items()}
        return description.of_hints(self._signature, self._hints, self._returns, prefix, models)


def _needed_hints(hints: HandlerHints, signature: Signature) -> dict[str, Any]:
    """Return the hints of the result and of what clients send.

    Raises:
        ConfigurationError: one of them can't be resolved, or is one of fields that have no names.
    """
    for name in ("return", *signature.known):
        hints.require(name)
    if hints.rest is not None and hints.found[hints.rest] not in (Any, object):
        raise ConfigurationError(
            f"the fields that **{hints.rest} takes can't be checked: give those of "
            f"{inspect.formatannotation(hints.found[hints.rest])} their names, or write Any"
        )
    found = {name: hints.found[name] for name in ("return", *signature.known) if name in hints.found}
    return {name: _with_stand_ins(name, hint) for name, hint in found.items()}


def _with_stand_ins(name: str, hint: Any) -> Any:
    whose = "the result" if name == "return" else f"parameter {name!r}"
    return opening.with_files(library_types.with_stand_ins(whose, hint))


def _check_of_result(hint: Any) -> Callable[[Any], Any] | None:
    """Return the check of a handler's results by their hint, where there is one."""
    return partial(_validated, hint) if models.is_model(hint) else library_types.check_of_result(hint)


def _validated(model: Any, result: Any) -> Any:
    try:
        return models.validated(model, result, from_attributes=True)
    except models.ModelMismatch as error:
        raise InvalidAnswer(f"The answer does not fit {model.__name__}: {error}") from error


def _checkers(hints: dict[str, Any]) -> tuple[dict[str, Any], dict[str, PydanticHint]]:
    """Return the hints that msgspec checks, and pydantic's checks of the others; Any has none."""
    hints = {name: normalized(hint) for name, hint in hints.items() if hint not in (Any, object)}
    by_pydantic = {
        name: found for name, hint in hints.items() if (found := pydantic_hint(name, hint)) is not None
    }
    return {name: hint for name, hint in hints.items() if name not in by_pydantic}, by_pydantic


def array_parameters(
    handler: Callable[..., Any], signature: Signature, *, batched: bool
) -> dict[str, arrays.ArrayHint]:
    """Return the parameters of a handler that take an array, with their hints."""
    hints = hints_of(handler).found
    hints = {name: _with_stand_ins(name, hints[name]) for name in signature.known if name in hints}
    if batched:
        hints = {name: batch_hints.item_of(hint) for name, hint in hints.items()}
    found = {name: arrays.array_hint_of(hints[name]) for name in signature.known if name in hints}
    return {name: hint for name, hint in found.items() if hint is not None}


def _file_fields(hints: dict[str, Any]) -> frozenset[str]:
    """Return the names of the parameters that take files, alone or nested."""
    found = {name: list(filter(uploads.is_file, custom_types(hint))) for name, hint in hints.items()}
    for kind in (kind for kinds in found.values() for kind in kinds):
        kind.ensure_package()
    return frozenset(name for name, kinds in found.items() if kinds)


def names_data(hint: Any) -> bool:
    """Return whether a hint names data as such: bytes, an array or a file, alone or within."""
    is_data = hint in _BYTES or library_types.is_known(hint) or uploads.is_file(hint)
    return is_data or any(map(names_data, get_args(hint)))


_BYTES = (bytes, bytearray, memoryview)


def _models_in(hint: Any) -> list[Any]:
    return [kind for kind in custom_types(hint) if models.is_model(kind)]


def _client_message(message: str) -> str:
    """Return msgspec's message with the path as the client knows it: `$.text[0]` is text[0]."""
    problem, path = fault_of(message)
    return f"{path.removeprefix('.')}: {problem}" if path else problem
