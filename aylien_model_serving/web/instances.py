"""Requests with several instances, each of which is a call of a route, and the predictions of all of them.

{"instances": [{"text": "a"}, {"text": "b"}], "parameters": {"words": 3}} is two calls, with `words` in both;
{"predictions": […]} has their results in order.
"""

from __future__ import annotations

import contextvars
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Response

from aylien_model_serving import codecs
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.pipeline import Endpoint, answer, run_steps, without_coding
from aylien_model_serving.errors import MalformedBody, ServingError
from aylien_model_serving.web.adapters.flask import call_of_request, error_response, to_response

#: Calls of one request that run beside each other: as many as a batch has, within these limits.
_LEAST, _MOST = 8, 128

_MEMBERS = {"instances", "parameters"}

_JSON = {"content-type": codecs.JSON.media_type, "accept": codecs.JSON.media_type}


class InstanceCalls:
    """Answers such requests by the endpoint of a route.

    Args:
        endpoint: of the route.
        path: of the route.
        largest: calls that a batch of its handler has.
        max_items: the arrays, objects and texts that a body may have.
    """

    def __init__(self, endpoint: Endpoint, path: str, largest: int, max_items: int) -> None:
        self._endpoint = endpoint
        self._path = path
        self._max_items = max_items
        self._threads = min(max(largest, _LEAST), _MOST)
        fields = endpoint.schema.describe("").fields.get("properties", {})
        #: The only field, which an instance that is no object is the value of.
        self._field = next(iter(fields)) if len(fields) == 1 else None

    def answer(self) -> Response:
        """Answer Flask's current request: an error of one instance is that of all."""
        try:
            request = call_of_request(self._endpoint, {})
            if request.content_coding is not None:
                request = without_coding(request, request.content_coding)
            calls = [self._call(request, fields) for fields in self._instances(request.body)]
        except ServingError as error:
            return error_response(self._endpoint.error_responses, error)
        with ThreadPoolExecutor(max_workers=self._threads) as pool:
            runs = [partial(contextvars.copy_context().run, self._run, call) for call in calls]
            replies = [each.result() for each in [pool.submit(run) for run in runs]]
        return to_response(_together(replies))

    def _run(self, call: Call) -> Reply:
        return run_steps(answer(self._endpoint, call))

    def _call(self, request: Call, fields: Mapping[str, Any]) -> Call:
        headers = {**dict(request.headers.items()), **_JSON}
        body = codecs.JSON.encode(fields)
        return replace(request, path=self._path, query="", headers=headers, body=body, body_limit=None)

    def _instances(self, body: bytes) -> list[dict[str, Any]]:
        """Return the fields of each call.

        Raises:
            MalformedBody: the body is no such request.
        """
        asked = codecs.json.decode(body, max_items=self._max_items).values
        instances, parameters = asked.get("instances"), asked.get("parameters") or {}
        if not isinstance(instances, list):
            raise MalformedBody("'instances' is a list of what is to be predicted for")
        if not isinstance(parameters, dict):
            raise MalformedBody("'parameters' is an object, of fields that all instances have")
        if unknown := asked.keys() - _MEMBERS:
            raise MalformedBody(f"Unexpected {min(unknown)[:80]!r}: there are 'instances' and 'parameters'")
        return [{**parameters, **self._fields(at, each)} for at, each in enumerate(instances)]

    def _fields(self, at: int, instance: Any) -> dict[str, Any]:
        if isinstance(instance, dict):
            return instance
        if self._field is None:
            raise MalformedBody(f"instances[{at}]: an object with the fields of a call is expected")
        return {self._field: instance}


def _together(replies: Iterable[Reply]) -> Reply:
    """Return the reply of a request: the first error, with the number of its instance, or all predictions."""
    bodies: list[bytes] = []
    for at, reply in enumerate(replies):
        if reply.status >= 300:
            told = json.loads(reply.body)
            told["error"] = f"instances[{at}]: {told['error']}"
            return Reply(reply.status, codecs.JSON.encode(told), reply.media_type, reply.headers)
        bodies.append(reply.body)
    return Reply(200, b'{"predictions":[%b]}' % b",".join(bodies))
