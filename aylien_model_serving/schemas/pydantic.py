"""Schemas given as pydantic models.

Pure. The handler gets the validated values by name, with the defaults and coercions of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aylien_model_serving.codecs import decoders_of
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import InvalidAnswer, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import collisions, decimals, structured_hints
from aylien_model_serving.schemas.base import Schema, merge
from aylien_model_serving.schemas.description import (
    Description,
    JSONSchema,
    ResponseForm,
    fields_of,
    of_model,
)
from aylien_model_serving.schemas.models import BYTES, ModelMismatch, may_hold, sent, validated

if TYPE_CHECKING:
    from pydantic import BaseModel


class PydanticSchema(Schema):
    """Validates with a pair of pydantic models, either of which may be absent.

    Args:
        request: model of the fields.
        response: model of the result.
        signature: the parameters of the handler.
        path_names: fields of the path; those that the request model lacks are not passed to it.
    """

    def __init__(
        self,
        request: type[BaseModel] | None,
        response: type[BaseModel] | None,
        signature: Signature,
        path_names: frozenset[str],
    ) -> None:
        self._request = request
        self._response = response
        self._signature = signature
        self._hashed = collisions.Hashed() if request is None else collisions.of_model(request)
        self.takes_data = request is not None and may_hold(request, BYTES)
        self._path_only = path_names - request.model_fields.keys() if request else path_names
        self.name = "|".join(f"{m.__module__}.{m.__qualname__}" if m else "" for m in (request, response))

    def limit_items(self, max_items: int) -> None:
        hints = structured_hints.fields_of(self._request) if self._request is not None else {}
        exact = decimals.names_of(hints)
        self.decoders = decoders_of(max_items, numbers=True, exact=exact, expected=self.expected)

    def arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        values = merge(fields.values, path_values)
        if any(self._hashed):
            for name, value in values.items():
                self._hashed.refuse(name, value)
        if self._request is not None:
            path_only = {name: values[name] for name in self._path_only if name in values}
            model = self._validate({name: value for name, value in values.items() if name not in path_only})
            values = {
                **{name: getattr(model, name) for name in type(model).model_fields},
                **(model.model_extra or {}),
                **path_only,
            }
            values = {name: value for name, value in values.items() if self._wanted(name, model)}
        self._signature.check(values)
        return values

    def _wanted(self, name: str, model: BaseModel) -> bool:
        """Return whether to pass a value: a default that the handler has no name for is dropped."""
        return self._signature.open or name in self._signature.known or name in model.model_fields_set

    def _validate(self, values: dict[str, Any]) -> BaseModel:
        assert self._request is not None
        try:
            return sent(self._request, values)
        except ModelMismatch as error:
            raise SchemaMismatch(str(error)) from None

    def check_result(self, result: Any) -> Any:
        if self._response is None:
            return result
        try:
            return validated(self._response, result, from_attributes=True)
        except ModelMismatch as error:
            raise InvalidAnswer(f"The answer does not fit its schema: {error}") from error

    def describe(self, prefix: str) -> Description:
        fields, result = fields_of(self._signature, {}), JSONSchema()
        components: dict[str, JSONSchema] = {}
        if self._request is not None:
            fields, found = of_model(self._request, prefix, for_response=False)
            components.update(found)
        if self._response is not None:
            result, found = of_model(self._response, f"{prefix}answer.", for_response=True)
            components.update(found)
        form: ResponseForm = "items" if self.streams else "value"
        return Description(fields, result, form, components=components)
