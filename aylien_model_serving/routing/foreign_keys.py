"""Keys that other systems' decorators know: what to write instead of each.

Pure. Nothing of these systems is imported: a value is recognised by the name of its class.
"""

from __future__ import annotations

from typing import Any

#: What the reader of a request or response of BentoML's is as a type hint, by the name of its class.
_HINTS = {
    "File": "MediaFile",
    "Image": "ImageFile, or PIL.Image.Image",
    "JSON": "dict, or a pydantic model",
    "NumpyNdarray": "numpy.ndarray",
    "PandasDataFrame": "pandas.DataFrame",
    "PandasSeries": "pandas.Series",
    "Text": "str",
}

_DOCSTRING = "write it into the handler's docstring, which /openapi.json shows"
_BATCH = "write batch={'max_size': …, 'max_wait_ms': …}, and a handler that takes a list of each field"
_RESPONSES = "write the type of the result as the handler's return hint, which is checked and described"
_NOT_DESCRIBED = "leave it out: nothing here is grouped, hidden or renamed in /openapi.json"

_INSTEAD = {
    "batchable": _BATCH,
    "dependencies": "refuse clients by MODEL_SERVING_API_KEYS, or load what is shared in @app.init",
    "deprecated": _DOCSTRING,
    "description": _DOCSTRING,
    "doc": _DOCSTRING,
    "include_in_schema": _NOT_DESCRIBED,
    "max_batch_size": _BATCH,
    "max_latency_ms": _BATCH,
    "operation_id": "write name='…', which metrics, logs and /openapi.json use",
    "queue_size": "write @app.task_endpoint(…, queue_size=…), or job={'queue_size': …}",
    "response_class": _RESPONSES,
    "response_description": _DOCSTRING,
    "response_model": _RESPONSES,
    "responses": "leave it out: /openapi.json has the errors of every route",
    "status_code": "return the status with the result: Response(result, status=201), or result, 201",
    "summary": _DOCSTRING,
    "tags": _NOT_DESCRIBED,
}


def instead_of(key: str, value: Any) -> str | None:
    """Return what to write instead of a key of another system; None for one that nobody knows."""
    if key == "input":
        return f"write the type of each field as the hint of a parameter: {_hint(value, 'features: {}')}"
    if key == "output":
        return f"write the type of the result as the return hint: {_hint(value, '-> {}')}"
    return _INSTEAD.get(key)


def _hint(value: Any, template: str) -> str:
    return template.format(_HINTS.get(type(value).__name__, "dict"))
