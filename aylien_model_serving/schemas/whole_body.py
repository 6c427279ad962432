"""The schema of a handler with one parameter that a request's whole body is the value of.

Pure. A structured value is filled from the fields of a body, a query or a form; any other is a bare value of
JSON, or text or bytes as they are. Values of the path are parameters of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import (
    batch_hints,
    body_parameters,
    decimals,
    form_fields,
    structured_hints,
    uploads,
)
from aylien_model_serving.schemas.body_parameters import BodyParameter
from aylien_model_serving.schemas.description import Description, with_whole_body
from aylien_model_serving.schemas.hints import TypeHintsSchema, names_data

_Bind = Callable[[Fields, Mapping[str, Any]], dict[str, Any]]

#: What messages call a value that has no fields.
_VALUE = "body"


class WholeBodySchema(TypeHintsSchema):
    """Validates the body of a request as the value of one parameter.

    Args:
        handler: the callable whose hints are used.
        signature: the parameters of the handler.
        parameter: the one that gets the body.
        batched: whether the handler takes a list of values, one for each call.

    Raises:
        ConfigurationError: as `TypeHintsSchema` does.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        signature: Signature,
        parameter: BodyParameter,
        *,
        batched: bool = False,
    ) -> None:
        super().__init__(handler, signature, batched=batched)
        self._name = parameter.name
        kinds = structured_hints.structured_types(parameter.hint)
        self._is_structured = bool(kinds)
        self._fields = {
            field: inner for kind in kinds for field, inner in structured_hints.fields_of(kind).items()
        }
        self._names = structured_hints.names_of(kinds)
        self._uploads = frozenset(field for field, inner in self._fields.items() if uploads.names_file(inner))
        self._may_be_wrapped = (
            not kinds or self._name in self._fields or any(map(structured_hints.takes_others, kinds))
        )
        self._others = frozenset(signature.known) - {self._name}
        self._absent = _absent(parameter, signature)
        self.takes_data = self.takes_data or any(map(names_data, self._fields.values()))
        if self._is_structured:
            self.hints = self._fields
        self.raw = body_parameters.raw_decoders(parameter)
        self.expected = body_parameters.expected_bodies(self._fields, self.raw)

    def limit_items(self, max_items: int) -> None:
        self.decoders = self._decoders(max_items, whole=None if self._is_structured else self._name)

    def _exact_names(self) -> frozenset[str]:
        return decimals.names_of(self._fields) if self._is_structured else super()._exact_names()

    def read_text(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return dict(values)

    def arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        in_query = path_values.keys() - self._others if path_values else None
        if in_query:
            fields = self._of_query(fields, {name: path_values[name] for name in in_query})
            path_values = {name: path_values[name] for name in path_values.keys() - in_query}
        if fields.bound:
            return self._of_value(super().arguments, fields, path_values)
        values = fields.values
        if not values and self._absent is not None:
            return super().arguments(Fields(self._absent), path_values)
        if len(values) == 1 and not self._may_be_wrapped and self._name in values:
            raise FieldMismatch(
                f"Unexpected field {self._name!r}: the body has the fields of {self._name} itself, "
                f"{', '.join(self._fields) or 'none'}"
            )
        if fields.uploads:
            values = uploads.replace_uploads(values, fields.uploads, self._uploads)
        try:
            found = self._filled(values, path_values, textual=fields.textual)
        except SchemaMismatch as fault:
            if not fields.textual:
                raise
            check = partial(self._filled, path_values=path_values, textual=True)
            found = form_fields.read_as_sent(values, self._fields, check, fault)
        if self._uploads:
            uploads.set_file_fields(found[self._name], "")
        return found

    def _of_query(self, fields: Fields, given: dict[str, Any]) -> Fields:
        """Return the fields of a query, which stand for a body that there is not."""
        if fields.values or not self._is_structured:
            raise FieldMismatch(
                f"Unexpected field {min(given)[:80]!r} in the query: the body has all of {self._name}"
            )
        return Fields(given, textual=True)

    def large_arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        if fields.bound and path_values.keys() <= self._others:
            bind = partial(self._long.arguments, super().arguments)
            return self._of_value(bind, fields, path_values)
        return self.arguments(fields, path_values)

    def example_arguments(self, example: Mapping[str, Any]) -> dict[str, Any]:
        if not self._is_structured:
            return self.arguments(Fields(dict(example), bound=True), {})
        others = {name: example[name] for name in self._others if name in example}
        return self.arguments(Fields({k: v for k, v in example.items() if k not in others}), others)

    def _filled(
        self, values: dict[str, Any], path_values: Mapping[str, Any], *, textual: bool
    ) -> dict[str, Any]:
        """Return the arguments of a body's fields."""
        found = self._of_value(super().arguments, Fields({self._name: values}, textual), path_values)
        if textual:
            fields = structured_hints.values_of(found[self._name], self._names)
            form_fields.refuse_infinite(fields, fields)
        return found

    def _of_value(self, bind: _Bind, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a value that has the parameter's name."""
        try:
            found = bind(fields, path_values)
        except SchemaMismatch as error:
            raise SchemaMismatch(self._client_message(str(error))) from None
        if self._name in self._files:
            uploads.set_file_fields(found[self._name], _VALUE)
        return found

    def _client_message(self, message: str) -> str:
        """Return a message without the parameter's name, which clients do not send."""
        rest = message.removeprefix(self._name)
        if rest == message or not rest.startswith((".", ": ", "[")):
            return message
        return rest.removeprefix(".").removeprefix(": ") if self._is_structured else f"{_VALUE}{rest}"

    def describe(self, prefix: str) -> Description:
        files = {name: hint for name, hint in self._fields.items() if name in self._uploads}
        return with_whole_body(super().describe(prefix), self._name, files, is_bare=not self._is_structured)


def _absent(parameter: BodyParameter, signature: Signature) -> dict[str, Any] | None:
    """Return the fields that stand for a request without any, or None if these are an object without any."""
    if parameter.name not in signature.required:
        return {}
    takes_none = type(None) in batch_hints.members_of(parameter.hint)
    return {parameter.name: None} if takes_none else None
