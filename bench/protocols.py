"""Workloads converted to the protocols of peers that do not accept plain JSON at a path per case."""

import json
from dataclasses import replace
from typing import Any

from bench import bodies
from bench.cases import PROTOBUF, Workload, doubled

OPEN_INFERENCE_PATH = "/v2/models/bench/infer"


def plain(workload: Workload) -> Workload:
    """Return the workload unchanged."""
    return workload


def protobuf(workload: Workload) -> Workload:
    """Send the array of floats as a protobuf message; leave every other workload unchanged."""
    if workload.path != "/binary":
        return workload
    body = bodies.floats_message(bodies.floats())
    return replace(workload, body=body, content_type=PROTOBUF, accept=PROTOBUF, check=_is_doubled_message)


def bentoml_batches(workload: Workload) -> Workload:
    """Convert the batched workload for BentoML: each request is a batch of one, and so is the response."""
    if workload.path != "/batched":
        return workload

    def check(body: bytes) -> bool:
        (item,) = json.loads(body)
        return workload.check(bodies.compact(item))

    return replace(workload, body=bodies.compact({"texts": [json.loads(workload.body)]}), check=check)


def open_inference(workload: Workload) -> Workload:
    """Send the workload as one tensor of the Open Inference Protocol (KServe v2); so is the response."""
    fields = json.loads(workload.body)

    def check(body: bytes) -> bool:
        data = json.loads(body)["outputs"][0]["data"]
        return workload.check(bodies.compact(_plain_response(workload.path, data)))

    body = bodies.compact({"inputs": [_tensor(workload.path, fields)]})
    return replace(workload, path=OPEN_INFERENCE_PATH, body=body, check=check)


def _tensor(path: str, fields: dict[str, Any]) -> dict[str, Any]:
    if path == "/floats":
        values = fields["values"]
        return {"name": "values", "shape": [len(values)], "datatype": "FP64", "data": values}
    text = fields["text"] if path == "/echo" else bodies.compact(fields).decode()
    return {"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}


def _plain_response(path: str, data: list[Any]) -> object:
    if path == "/floats":
        return {"values": data}
    return {"text": data[0]} if path == "/echo" else json.loads(data[0])


def _is_doubled_message(body: bytes) -> bool:
    return doubled(bodies.values_of_message(body))
