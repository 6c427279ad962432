"""Values of the query of a call that has a body as well: parameters that the body leaves out.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from aylien_model_serving.codecs import QUERY_METHODS, forms
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import FieldMismatch
from aylien_model_serving.schemas import Schema


def beside_body(call: Call, schema: Schema, fields: Fields) -> Mapping[str, Any]:
    """Return the values of path and query.

    Args:
        call: has a query.
        schema: knows what the texts of a query stand for.
        fields: of the call, which are those of the query where it has no body.

    Raises:
        FieldMismatch: a name of the query is among the fields or in the path, too.
        SchemaMismatch: a text does not fit.
    """
    if call.method in QUERY_METHODS and not call.body:
        return call.path_values
    given = schema.read_text(_without_clients_own(forms.decode_query(call.query).values, schema))
    _refuse_twice(given.keys() & call.path_values.keys(), "path")
    _refuse_twice(given.keys() & fields.values.keys(), "body")
    return {**call.path_values, **given}


#: Names of parameters by which clients of other systems number their requests: FastSDK's.
_OF_CLIENTS = frozenset({"details_id"})


def _without_clients_own(values: Mapping[str, Any], schema: Schema) -> Mapping[str, Any]:
    """Return the values of a query without those that clients send for themselves, unless fields here."""
    if _OF_CLIENTS.isdisjoint(values):
        return values
    own = _OF_CLIENTS - _fields_of(schema)
    return {name: value for name, value in values.items() if name not in own}


@lru_cache(maxsize=256)  # a service's routes: FastSDK sends it with each POST
def _fields_of(schema: Schema) -> frozenset[str]:
    return frozenset(schema.describe("").fields.get("properties", ()))


def _refuse_twice(names: Collection[str], place: str) -> None:
    if names:
        raise FieldMismatch(f"The field {min(names)[:80]!r} is given in the {place} and in the query")
