"""Type hints that pydantic checks, since msgspec does not know them whole.

Pure. pydantic is imported where such a hint is met: its import is a sixth of all that a web worker imports.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from aylien_model_serving.errors import ConfigurationError, SchemaMismatch
from aylien_model_serving.schemas import hint_parts, library_types, model_validators
from aylien_model_serving.schemas.models import mismatch

if TYPE_CHECKING:
    from pydantic import BaseModel


class PydanticHint:
    """The check of one parameter.

    Values of JSON are as strict as msgspec's: a text is no number, and an integer is valid for a float.
    Models and dataclasses with a configuration of their own decide for themselves.

    Args:
        name: of the parameter.
        hint: its type hint.

    Raises:
        ConfigurationError: pydantic can't check it either.
    """

    def __init__(self, name: str, hint: Any) -> None:
        import pydantic

        settings = pydantic.ConfigDict(strict=True, val_json_bytes="base64", allow_inf_nan=False)
        field: Any = (hint_parts.replaced(hint, _known_to_pydantic), pydantic.Field(validation_alias=name))
        try:
            self.model: type[BaseModel] = pydantic.create_model("Fields", __config__=settings, value=field)
        except ImportError as error:
            raise ConfigurationError(str(error)) from error
        except (pydantic.errors.PydanticUserError, TypeError, NameError) as error:
            raise ConfigurationError(f"{_reason(error)}; {_MODEL_OR_ANY}") from error
        if not self.model.model_fields:
            raise ConfigurationError(f"it is not the type of a value; {_MODEL_OR_ANY}")
        self._validator = model_validators.validator_of(self.model) or self.model.__pydantic_validator__
        self.hint = hint
        self._name = name

    def value(self, given: Any, *, textual: bool) -> Any:
        """Return a field's value as the hint says.

        Args:
            given: the value that was sent.
            textual: whether its parts are texts of a query or a form, which stand for numbers.

        Raises:
            SchemaMismatch: it does not fit.
        """
        from pydantic import ValidationError

        try:
            if textual:
                checked = self._validator.validate_python({self._name: given}, strict=False)
            else:
                checked = self._validator.validate_json(_encode({self._name: given}))
        except ValidationError as error:
            raise SchemaMismatch(str(mismatch(error))) from None
        return getattr(checked, "value")  # noqa: B009  # of a model that is made here


_encode = msgspec.json.Encoder(decimal_format="number").encode


def _known_to_pydantic(kind: Any) -> Any:
    """Return what pydantic takes in the place of a type that it does not know."""
    if library_types.is_known(kind):
        return _checked_by(partial(library_types.from_json, kind), library_types.schema_of(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _checked_by(partial(msgspec.convert, type=kind))
    return kind


def _checked_by(check: Any, schema: dict[str, Any] | None = None) -> Any:
    from pydantic import PlainValidator, WithJsonSchema

    return Annotated[Any, PlainValidator(check), WithJsonSchema(schema or {})]


def _reason(error: Exception) -> str:
    """Return the first sentence of pydantic's message, without its jargon and its links."""
    message = str(error).partition("\n")[0].partition(". Set `arbitrary")[0].rstrip(".")
    return message.replace("Unable to generate pydantic-core schema for", "nobody knows how to check")


_MODEL_OR_ANY = (
    "write a dataclass, a TypedDict or a pydantic model of what is sent, or Any to take it as it is"
)
