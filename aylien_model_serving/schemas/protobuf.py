"""Schemas given as protobuf messages.

Pure. Validity and error messages are those of `google.protobuf.json_format.ParseDict`; a compiled predicate
saves the call where success is certain. Fields are passed as the client sent them, except for the arrays that
a handler takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import Error, ParseDict
from google.protobuf.message import Message

from aylien_model_serving.codecs import JSON, json, protobuf, protobuf_arrays
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.codecs.protobuf_values import MessageValues
from aylien_model_serving.errors import InvalidAnswer, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import arrays, descriptors
from aylien_model_serving.schemas.arrays import ArrayHint
from aylien_model_serving.schemas.base import Schema, merge
from aylien_model_serving.schemas.compiled import compile_accepts, own_names
from aylien_model_serving.schemas.compiled_suspects import Suspects
from aylien_model_serving.schemas.description import Description, JSONSchema, ResponseForm, fields_of


class ProtobufSchema(Schema):
    """Validates with a pair of message types, either of which may be absent.

    Args:
        request: message type of the fields.
        response: message type of the result.
        signature: the parameters of the handler.
        path_names: fields of the path; those that the request message lacks are not validated by it.
        array_hints: the parameters that take an array.
    """

    def __init__(
        self,
        request: type[Message] | None,
        response: type[Message] | None,
        signature: Signature,
        path_names: frozenset[str],
        array_parameters: Mapping[str, ArrayHint],
    ) -> None:
        self._request = MessageValidator(request) if request else None
        self._response = MessageValidator(response) if response else None
        self._signature = signature
        self._array_hints = array_parameters
        self._path_only = path_names - set(request.DESCRIPTOR.fields_by_name if request else ())
        self.name = "|".join(kind.DESCRIPTOR.full_name if kind else "" for kind in (request, response))
        self._decode_binary = (
            protobuf.decoder(request, signature.required, frozenset(array_parameters)) if request else None
        )
        self.takes_data = bool(array_parameters) or (
            request is not None and descriptors.holds_data(cast(Descriptor, request.DESCRIPTOR), set())
        )
        self.limit_items(json.MAX_ITEMS)
        if request and response:
            self.messages = (request, response)
        if response:
            self.response = response
            self.encoders = (JSON, *protobuf.encoders(response))

    def limit_items(self, max_items: int) -> None:
        super().limit_items(max_items)
        if self._decode_binary is not None:
            binary = partial(self._decode_binary, max_items=max_items)
            self.decoders = {**self.decoders, **dict.fromkeys(protobuf.MEDIA_TYPES, binary)}

    def arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        values = merge(fields.values, path_values)
        if self._request is not None:
            if fields.textual:
                values = self._request.coerce(values)
            sure = self._path_only | fields.proven
            self._request.check_fields({n: v for n, v in values.items() if n not in sure} if sure else values)
        self._signature.check(values)
        return {**values, **self._with_arrays(values)} if self._array_hints else values

    def read_text(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return dict(values) if self._request is None else self._request.coerce(dict(values))

    def _with_arrays(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the arrays that the handler takes."""
        return {
            name: self._array(name, hint, values[name])
            for name, hint in self._array_hints.items()
            if name in values
        }

    def _array(self, name: str, hint: ArrayHint, value: Any) -> Any:
        """Return one array, or None where the hint allows it."""
        if value is None and hint.nullable:
            return None
        try:
            if self._request is None:
                return arrays.build(hint.kind, value)
            return self._request.array(name, hint.kind, value)
        except ValueError as error:
            raise SchemaMismatch(f"{name}: {error}") from None

    def check_result(self, result: Any) -> Any:
        return result if self._response is None else self._response.check_result(result)

    def describe(self, prefix: str) -> Description:
        components: dict[str, JSONSchema] = {}
        fields, result = fields_of(self._signature, {}), JSONSchema()
        if self._request is not None:
            fields = descriptors.of_message(self._request.descriptor, components)
        if self._response is not None:
            result = descriptors.of_message(self._response.descriptor, components)
        form: ResponseForm = "items" if self.streams else "value"
        return Description(fields, result, form, components=components)


class MessageValidator:
    """Validates values by one message type.

    Args:
        message_type: a generated message class.
    """

    def __init__(self, message_type: type[Message]) -> None:
        self._message_type = message_type
        self.descriptor = cast(Descriptor, message_type.DESCRIPTOR)
        self._accepts = compile_accepts(self.descriptor)
        self._own_names = own_names(self.descriptor)
        self._values = MessageValues(self.descriptor)

    def check_fields(self, values: dict[str, Any]) -> None:
        """Refuse fields that do not fit, with the parser's own message.

        Raises:
            SchemaMismatch: with the message of `ParseDict`.
        """
        if not self._accepts(values):
            suspects = Suspects(self.descriptor, values)
            try:
                ParseDict(suspects.values, self._message_type())
            except (Error, ValueError, RecursionError) as error:
                raise SchemaMismatch(suspects.in_terms_of_all(str(error))) from None
            except Exception:  # ParseDict lets other errors through than its own, as of an incomplete Any
                raise SchemaMismatch(f"The fields do not fit {self.descriptor.full_name}") from None

    def array(self, name: str, kind: Any, value: Any) -> Any:
        """Return the value of a field as an array of the numbers that a message would hold.

        Raises:
            ValueError: the value can't be an array of this kind.
        """
        source = protobuf_arrays.dtype_of(self.descriptor.fields_by_name.get(name))
        try:
            return arrays.build(kind, value, source)
        except ValueError:
            if source is None or not _holds_text(value):
                raise
            # Numpy does not parse all strings that JSON may hold for a number of a message, such as "1e3".
            message = ParseDict({name: value}, self._message_type())
            return arrays.build(kind, getattr(message, name), source)

    def check_result(self, result: Any) -> Any:
        """Return a result, validated as the client will receive it.

        Arrays in it that are certain to fit stay arrays, others become lists.

        Raises:
            InvalidAnswer: with the message of `ParseDict`.
        """
        if self._accepts(result) or isinstance(result, self._message_type):
            return result
        kept = self._fitting_arrays(result) if type(result) is dict else {}
        if not kept:
            return self._check_without_arrays(result)
        rest = self._check_without_arrays({name: value for name, value in result.items() if name not in kept})
        return {name: kept[name] if name in kept else rest[name] for name in result}

    def _check_without_arrays(self, result: Any) -> Any:
        """Return a result with its arrays as lists, if it fits."""
        result = json.with_lists(result)
        if self._accepts(result):
            return result
        try:
            ParseDict(json.as_received(result), self._message_type())
        except Exception as error:  # of more kinds than ParseDict declares
            return self._with_texts(result, error)
        return result

    def _with_texts(self, result: Any, error: Exception) -> Any:
        """Return a result with the texts of its durations and points in time, if it fits with them.

        Args:
            result: does not fit as it is.
            error: says why.

        Raises:
            InvalidAnswer: it does not fit either.
        """
        try:
            quoted = self._values.with_texts(result, quoted=True)
            ParseDict(json.as_received(quoted), self._message_type())
        except Exception as other:
            told = error if isinstance(other, InvalidAnswer) else other
            raise InvalidAnswer(f"The answer does not fit its schema: {told}") from error
        return self._values.with_texts(result, quoted=False)

    def _fitting_arrays(self, result: dict[Any, Any]) -> dict[str, Any]:
        """Return the arrays that fit without a check of each number; not those given by two names."""
        fields = {name: self._own_names[name] for name in result if name in self._own_names}
        return {
            name: result[name]
            for name, field in fields.items()
            if protobuf_arrays.array_fits(field, result[name])
            and (field.json_name == name or field.json_name not in result)
        }

    def coerce(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the text of a form or query string as the JSON that the message's fields expect.

        `ParseDict` itself parses numbers; booleans and single items of a repeated field are converted here.
        """
        return {name: self._coerce_field(name, value) for name, value in values.items()}

    def _coerce_field(self, name: str, value: Any) -> Any:
        found = self._message_type.DESCRIPTOR.fields_by_name.get(name)
        if found is None:
            return value
        descriptor = cast(FieldDescriptor, found)
        if descriptor.is_repeated:
            items = value if isinstance(value, list) else [value]
            return [_coerce_item(descriptor, item) for item in items]
        return _coerce_item(descriptor, value)


def _holds_text(value: Any) -> bool:
    return type(value) is str or (type(value) is list and str in map(type, value))


#: Whole numbers as text, up to more digits than any field holds; `int` refuses thousands of them.
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _coerce_item(descriptor: FieldDescriptor, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if descriptor.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _BOOLEANS.get(value.lower(), value)
    if descriptor.cpp_type in _INTEGERS:
        return int(value) if _WHOLE.fullmatch(value) else value
    if descriptor.cpp_type in _FLOATS:
        try:
            return float(value)
        except ValueError:
            return value
    return value


_INTEGERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
_FLOATS = frozenset({FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE})
