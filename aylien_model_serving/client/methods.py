"""Operations → functions that read like methods: with a name, a signature and a docstring.

Pure.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from aylien_model_serving.client.openapi import Document, Operation

_F = TypeVar("_F", bound=Callable[..., Any])


def as_method(function: _F, operation: Operation | None, *, job: type, stream: type) -> _F:
    """Give a function the name, signature and docstring of an operation, and return it.

    Args:
        function: takes fields as keyword arguments.
        operation: what it calls; None where that is not known yet, which leaves the function as it is.
        job: what it returns where the route is answered with a job.
        stream: what it returns where the route is answered item by item.
    """
    if operation is None:
        return function
    function.__name__ = function.__qualname__ = operation.plain_name
    function.__module__ = "aylien_model_serving.client"
    function.__doc__ = _text(operation)
    vars(function)["__signature__"] = signature_of(operation, job, stream)
    return function


def signature_of(operation: Operation, job: type, stream: type) -> inspect.Signature:
    """Return the signature as people see it: a job or a stream is what a caller gets."""
    returned = (
        job if operation.is_job else stream if operation.is_stream else operation.signature.return_annotation
    )
    return operation.signature.replace(return_annotation=returned)


def _text(operation: Operation) -> str:
    """Return a docstring; what a handler's own says of its fields, the document may have put beside them."""
    lines = [
        f"    {name}: {schema['description']}"
        for name, schema in operation.fields.items()
        if "description" in schema
    ]
    if "Args:" in operation.text:
        lines = []
    parts = [
        operation.text,
        "\n".join(["Args:", *lines]) if lines else "",
        f"{operation.method} {operation.path}",
    ]
    return "\n\n".join(part for part in parts if part)


def completion_names(document: Document | None, own: list[str]) -> list[str]:
    """Return what tab completion offers: a client's own names, and those of the service's routes."""
    routes = document.names() if document is not None else []
    return sorted({*own, *(name for name in routes if name.isidentifier())})
