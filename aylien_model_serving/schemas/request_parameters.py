"""Parameters that a header or a cookie is the value of: `Annotated[str, Header("x-tenant")]`.

Pure. Their texts are taken from a request where it arrives, and become values where the handler runs: they go
along into replicas and jobs, of whose headers no more is known there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin
from uuid import UUID

import msgspec

from aylien_model_serving.codecs import cookies
from aylien_model_serving.errors import ConfigurationError, FieldMismatch, SchemaMismatch
from aylien_model_serving.handlers.markers import Cookie, Header, marker_of
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import batch_hints
from aylien_model_serving.schemas.handler_hints import hints_of
from aylien_model_serving.schemas.hint_parts import parts_of

Place = Literal["header", "cookie"]

#: The types of which a text says a value.
_TYPES = (str, int, float, bool, NoneType, date, datetime, time, timedelta, Decimal, UUID)


#: Names of headers, but for those with an underscore, which no adapter reads; and of cookies.
_HEADER = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")
_COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class RequestParameter(NamedTuple):
    """One parameter of a handler.

    Args:
        name: of the parameter.
        place: where its value is.
        key: the header's name in lower case, or the cookie's.
        hint: of the value of one call.
        required: whether a request without it is refused.
        takes_none: whether it is None where it is left out.
    """

    name: str
    place: Place
    key: str
    hint: Any
    required: bool
    takes_none: bool

    def value(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            SchemaMismatch: it stands for none.
        """
        try:
            value = msgspec.convert(text, self.hint, strict=False)
        except msgspec.ValidationError as error:
            raise SchemaMismatch(f"{self.place} {self.key}: {error}") from None
        if isinstance(value, float) and not value - value == 0:
            raise SchemaMismatch(f"{self.place} {self.key}: a finite number is expected")
        return value


class RequestParameters:
    """Those of one handler.

    Args:
        parameters: at least one.
    """

    def __init__(self, parameters: Collection[RequestParameter]) -> None:
        self.parameters = tuple(parameters)
        self.names = frozenset(parameter.name for parameter in parameters)
        self._has_cookies = any(parameter.place == "cookie" for parameter in parameters)

    def texts(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the texts that a request has, by the parameter's name."""
        of_cookies = cookies.parse(headers.get("cookie") or "") if self._has_cookies else {}
        places = {"header": headers, "cookie": of_cookies}
        found = {known.name: places[known.place].get(known.key) for known in self.parameters}
        return {name: text for name, text in found.items() if text is not None}

    def values(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the values for the handler.

        Raises:
            FieldMismatch: one is missing.
            SchemaMismatch: one does not fit.
        """
        values = {
            known.name: known.value(texts[known.name]) for known in self.parameters if known.name in texts
        }
        for known in self.parameters:
            if known.name not in texts and known.required:
                raise FieldMismatch(f"Missing {known.place} {known.key!r}")
            if known.takes_none:
                values.setdefault(known.name, None)
        return values

    def described(self, descriptions: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the parameters in the form of OpenAPI 3.1.

        Args:
            descriptions: what the handler's docstring says of them, by the parameter's name.
        """
        return [
            {
                "name": known.key,
                "in": known.place,
                **({"description": descriptions[known.name]} if known.name in descriptions else {}),
                "required": known.required,
                "schema": msgspec.json.schema(known.hint),
            }
            for known in self.parameters
        ]


def of_handler(
    handler: Callable[..., Any], signature: Signature, path_names: Collection[str], *, batched: bool
) -> RequestParameters | None:
    """Return the parameters of a handler that are marked as headers or cookies; None without any.

    Raises:
        ConfigurationError: one has a type that no text stands for, or is a value of the path as well.
    """
    found = []
    for name, hint in hints_of(handler).found.items():
        if batched:
            hint = _of_one_call(hint)
        marker = marker_of(hint, Header) or marker_of(hint, Cookie)
        if marker is None or name not in signature.known:
            continue
        _refuse_limits(name, hint)
        if name in path_names:
            raise ConfigurationError(f"parameter {name!r} is a value of the path: take its marker away")
        found.append(_parameter(name, hint, marker, signature))
    return RequestParameters(found) if found else None


def _of_one_call(hint: Any) -> Any:
    """Return the hint of one call's value, with what marks the list of a batch."""
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    item = batch_hints.item_of(hint)
    if item is None or not extras:
        return item
    form: Any = Annotated
    parts = (item, *extras)
    return form[parts]


def _refuse_limits(name: str, hint: Any) -> None:
    """Refuse limits that only pydantic checks: nobody asks it here."""
    for part in parts_of(hint):
        for extra in part.extras:
            if type(extra).__module__.partition(".")[0] in ("annotated_types", "pydantic"):
                raise ConfigurationError(
                    f"parameter {name!r}: {type(extra).__name__} is not looked at in a header or a cookie: "
                    "write msgspec.Meta, or check the value in the handler"
                )


def _parameter(name: str, hint: Any, marker: Header | Cookie, signature: Signature) -> RequestParameter:
    members = batch_hints.members_of(hint)
    for kind in members:
        is_enum = isinstance(kind, type) and issubclass(kind, Enum)
        if not (is_enum or kind in _TYPES or get_origin(kind) is Literal):
            raise ConfigurationError(
                f"parameter {name!r} is a {type(marker).__name__.lower()}, which is one text: hint it as "
                f"str, int, float, bool, a date, an enum or the like, not as {inspect.formatannotation(hint)}"
            )
    is_header = isinstance(marker, Header)
    key = (name.replace("_", "-") if is_header else name) if marker.name is None else marker.name
    if type(key) is not str or not (_HEADER if is_header else _COOKIE).fullmatch(key):
        raise ConfigurationError(
            f"parameter {name!r}: no {type(marker).__name__.lower()} that is read has the name {key!r}: it "
            f"consists of letters, digits and {'hyphens' if is_header else 'hyphens or underscores'}"
        )
    has_default = name not in signature.required
    takes_none = NoneType in members and not has_default
    place: Place = "header" if is_header else "cookie"
    return RequestParameter(
        name, place, key.lower() if is_header else key, hint, not (has_default or takes_none), takes_none
    )


def without(signature: Signature, parameters: RequestParameters | None) -> Signature:
    """Return the signature of the parameters that are fields of a request."""
    for known in parameters.parameters if parameters is not None else ():
        signature = signature.without(known.name)
    return signature
