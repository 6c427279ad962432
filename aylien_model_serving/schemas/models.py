"""Validation by pydantic models.

Pure. Does not import pydantic: a service with a model has imported it, and a service without one saves the
import, a sixth of all that a web worker imports.
"""

from __future__ import annotations

import sys
from json import JSONDecoder
from typing import TYPE_CHECKING, Any, TypeGuard

from aylien_model_serving.schemas import model_validators

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


class ModelMismatch(ValueError):
    """A value is not valid for its model."""


def is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    """Return whether a class is a pydantic model."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def is_root_model(kind: object) -> bool:
    """Return whether a class is a pydantic model of one value that has no name."""
    return is_model(kind) and kind.__pydantic_root_model__


#: What the JSON Schema of a model says of bytes.
BYTES = "'binary'"


def may_hold(model: type[BaseModel], sign: str) -> bool:
    """Return whether a model has a field of a kind, such as `BYTES`; one without JSON Schema may have."""
    try:
        return sign in repr(model.model_json_schema())
    except (sys.modules["pydantic"].PydanticUserError, NameError):  # a type that JSON Schema can't describe
        return True


def sent(model: type[BaseModel], value: Any) -> BaseModel:
    """Return what a client has sent as its model; bytes are Base64.

    Raises:
        ModelMismatch: the value is not valid; the message names the fields.
    """
    validator = model_validators.validator_of(model)
    if validator is None:
        return validated(model, value)
    try:
        found: BaseModel = validator.validate_python(value)
    except sys.modules["pydantic"].ValidationError as error:
        raise mismatch(error) from error
    return found


def validated(model: type[BaseModel], value: Any, *, from_attributes: bool | None = None) -> BaseModel:
    """Return a value as its model.

    Args:
        model: the class.
        value: fields by name, or a model.
        from_attributes: whether any object with the fields as attributes is accepted; None: as the model is
            configured.

    Raises:
        ModelMismatch: the value is not valid; the message names the fields.
    """
    try:
        return model.model_validate(value, from_attributes=from_attributes)
    except sys.modules["pydantic"].ValidationError as error:
        raise mismatch(error) from error


def mismatch(error: ValidationError) -> ModelMismatch:
    """Return the error that names the first fields which are not valid."""
    return ModelMismatch(_client_message(error))


def _client_message(error: ValidationError) -> str:
    """Return the first fields and what is wrong with them, without echoing the values.

    There may be an error for each two bytes of a body. As JSON they take a sixth of the time that dicts take,
    and only the first are read.
    """
    text = error.json(include_url=False, include_input=False, include_context=False)
    found: list[str] = []
    position = 1
    while len(found) < _MAX_ERRORS and text[position - 1] != "]":
        item, end = _DECODER.raw_decode(text, position)
        found.append(f"{'.'.join(map(str, item['loc'])) or 'fields'}: {item['msg']}")
        position = end + 1  # behind a comma, or the bracket
    return "; ".join(found)


_DECODER = JSONDecoder()

#: Errors that a message lists.
_MAX_ERRORS = 5
