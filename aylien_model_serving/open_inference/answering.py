"""The steps of an infer request: it becomes a call of the route, or several, and what these return tensors.

Where replicas run the handler, the request travels as it came, marked by a media type of the service's own.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from struct import Struct
from typing import Any

from aylien_model_serving.background.tasks import without_tasks
from aylien_model_serving.codecs import Encoder
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch import pipeline
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.dispatch.steps import Execute, Step, Steps
from aylien_model_serving.errors import InvalidAnswer
from aylien_model_serving.executors.generators import GeneratorItems
from aylien_model_serving.executors.splitting import CallRows
from aylien_model_serving.open_inference import grpc_form, inputs, outputs, rest_form
from aylien_model_serving.open_inference.requests import GRPC, InferRequest, Wanted
from aylien_model_serving.open_inference.tensor_specs import ModelSignature, signature_of
from aylien_model_serving.process.large_work import LARGE
from aylien_model_serving.schemas import Schema

#: The media types of a request between processes of the service: of REST, and of gRPC's messages.
_PREFIX = "application/vnd.open-inference"
_REST_TYPE, GRPC_TYPE = f"{_PREFIX}.rest", f"{_PREFIX}.grpc"

#: The parameter of the first one that says how many bytes of the body are JSON.
_LENGTH = "; json-length="

#: What a reply begins with before its id is known: how many bytes of it are JSON.
_HEAD = Struct("<Q")


class InferenceProtocol:
    """Answers infer requests for one model.

    Args:
        name: of the model.
        version: of the model.
        schema: of its route.
        path_names: the names of the values of the route's path.
        batched: whether the model takes several calls at once, which a request's first dimension are.
        max_items: the arrays, objects and texts that a request may have.
        is_only: whether every call is an infer request; otherwise those of its media types are.
    """

    def __init__(
        self,
        name: str,
        version: str,
        schema: Schema,
        path_names: frozenset[str],
        *,
        batched: bool,
        max_items: int,
        is_only: bool,
    ) -> None:
        self.name = name
        self.version = version
        self.signature: ModelSignature = signature_of(schema, path_names)
        self.batched = batched
        self._max_items = max_items
        self._is_only = is_only

    def understands(self, call: Call) -> bool:
        return self._is_only or call.headers.get("content-type", "").startswith(_PREFIX)

    def answer(self, endpoint: Endpoint, call: Call) -> Steps:
        if endpoint.remote:
            call = pipeline.with_parameters(_marked(call), endpoint.schema)
            replied: Reply = yield Execute(endpoint.executor, {}, call, endpoint.schema)
            return replied
        if call.content_coding is not None:
            call = pipeline.without_coding(call, call.content_coding)
        with pipeline.large_turn(call) if len(call.body) > LARGE else nullcontext():
            request = self._decoded(call)
            calls = self._arguments(endpoint.schema, request)
        call = pipeline.with_parameters(call, endpoint.schema)
        for arguments in calls:
            if endpoint.schema.parameters is not None:
                arguments |= endpoint.schema.parameters.values(call.parameters or {})
            if call.deadline is not None:
                endpoint.schema.set_deadline(arguments, call.deadline)
        reply = yield from self._run(endpoint, call, calls, request.wanted)
        return _finished(reply, request)

    def _decoded(self, call: Call) -> InferRequest:
        content_type = call.headers.get("content-type", "")
        if content_type == GRPC_TYPE:
            return grpc_form.decode(call.body, self._max_items)
        length = call.headers.get(rest_form.LENGTH_HEADER.lower())
        if length is None and content_type.startswith(_REST_TYPE):
            length = content_type.partition(_LENGTH)[2] or None
        return rest_form.decode(call.body, length, self._max_items)

    def _arguments(self, schema: Schema, request: InferRequest) -> list[dict[str, Any]]:
        calls = inputs.calls_of(request.inputs, self.signature, batched=self.batched)
        return [schema.arguments(fields, path_values) for fields, path_values in calls]

    def _run(
        self, endpoint: Endpoint, call: Call, calls: Sequence[dict[str, Any]], wanted: Wanted
    ) -> Generator[Step, Any, Reply]:
        """Run the calls, and return the reply without the request's id, which a cache may have."""
        if self.batched and len(calls) > 1:
            results = yield Execute(endpoint.executor, CallRows(calls), call, endpoint.schema)
            checked = [endpoint.schema.check_result(without_tasks(result)) for result in results]
            return self._encoder(wanted, outputs.stacked).reply(checked)
        encoder = self._encoder(wanted, self._of_one)
        if endpoint.reply_cache is not None:
            return (
                yield from pipeline.answer_from_cache(endpoint, endpoint.reply_cache, call, calls[0], encoder)
            )
        result = yield Execute(endpoint.executor, calls[0], call, endpoint.schema)
        if isinstance(result, GeneratorItems):
            result.close()
            raise InvalidAnswer("A stream is no tensor")
        return pipeline.encode(endpoint, call, encoder, result)

    def _of_one(self, result: Any, signature: ModelSignature, names: Sequence[str] | None) -> Any:
        return (
            outputs.stacked([result], signature, names)
            if self.batched
            else outputs.tensors_of(result, signature, names)
        )

    def _encoder(self, wanted: Wanted, make: Any) -> Encoder:
        return Encoder(f"{_PREFIX}; {wanted.key}", partial(self._encode, wanted, make))

    def _encode(self, wanted: Wanted, make: Any, result: Any) -> bytes:
        tensors = make(result, self.signature, wanted.names)
        if wanted.form == GRPC:
            return grpc_form.encode(tensors, wanted, self.name, self.version)
        text, blobs = rest_form.encode(tensors, wanted, self.name, self.version)
        return b"".join((_HEAD.pack(len(text)), text, blobs))


def _marked(call: Call) -> Call:
    """Return a call that is known as an infer request wherever it gets to."""
    media_type = call.headers.get("content-type", "")
    if media_type != GRPC_TYPE:
        length = call.headers.get(rest_form.LENGTH_HEADER.lower())
        media_type = _REST_TYPE if length is None else f"{_REST_TYPE}{_LENGTH}{length[:20]}"
    headers = {"content-type": media_type, "accept": call.headers.get("accept", "")}
    return replace(call, headers=_Headers(headers, call.headers))


class _Headers(dict[str, str]):
    """Headers of a request, some of which are others."""

    def __init__(self, own: dict[str, str], rest: Any) -> None:
        super().__init__(own)
        self._rest = rest

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else self._rest.get(name, default)


def _finished(reply: Reply, request: InferRequest) -> Reply:
    """Return a reply with the id of its request; one that the handler itself has made stays as it is."""
    if not reply.media_type.startswith(_PREFIX):
        return reply
    if request.wanted.form == GRPC:
        body = grpc_form.with_id(reply.body, request.id)
        return replace(reply, body=body, media_type=GRPC_TYPE)
    [length] = _HEAD.unpack_from(reply.body)
    end = _HEAD.size + length
    text, blobs = rest_form.with_id(reply.body[_HEAD.size : end], request.id), reply.body[end:]
    if not any(request.wanted.binary.values()):
        return replace(reply, body=text, media_type="application/json")
    headers = [*reply.headers, (rest_form.LENGTH_HEADER, str(len(text)))]
    return replace(reply, body=text + blobs, media_type="application/octet-stream", headers=headers)
