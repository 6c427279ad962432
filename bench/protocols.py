"""Requests in the words of a peer that does not take plain JSON at a path of its own."""

import json
from dataclasses import replace
from typing import Any

from bench import bodies
from bench.cases import PROTOBUF, Shot, doubled

OPEN_INFERENCE_PATH = "/v2/models/bench/infer"


def plain(shot: Shot) -> Shot:
    """The shot as it is."""
    return shot


def protobuf(shot: Shot) -> Shot:
    """The array of floats as a protobuf message; every other shot as it is."""
    if shot.path != "/binary":
        return shot
    body = bodies.floats_message(bodies.floats())
    return replace(shot, body=body, content_type=PROTOBUF, accept=PROTOBUF, check=_is_doubled_message)


def bentoml_batches(shot: Shot) -> Shot:
    """The batched shot as BentoML takes it: every request is a batch, here of one, and so is its answer."""
    if shot.path != "/batched":
        return shot

    def check(answer: bytes) -> bool:
        (item,) = json.loads(answer)
        return shot.check(bodies.compact(item))

    return replace(shot, body=bodies.compact({"texts": [json.loads(shot.body)]}), check=check)


def open_inference(shot: Shot) -> Shot:
    """The shot as one tensor of the Open Inference Protocol (KServe v2), whose answer is one tensor too."""
    fields = json.loads(shot.body)

    def check(answer: bytes) -> bool:
        data = json.loads(answer)["outputs"][0]["data"]
        return shot.check(bodies.compact(_plain_answer(shot.path, data)))

    body = bodies.compact({"inputs": [_tensor(shot.path, fields)]})
    return replace(shot, path=OPEN_INFERENCE_PATH, body=body, check=check)


def _tensor(path: str, fields: dict[str, Any]) -> dict[str, Any]:
    if path == "/floats":
        values = fields["values"]
        return {"name": "values", "shape": [len(values)], "datatype": "FP64", "data": values}
    text = fields["text"] if path == "/echo" else bodies.compact(fields).decode()
    return {"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}


def _plain_answer(path: str, data: list[Any]) -> object:
    if path == "/floats":
        return {"values": data}
    return {"text": data[0]} if path == "/echo" else json.loads(data[0])


def _is_doubled_message(answer: bytes) -> bool:
    return doubled(bodies.values_of_message(answer))
