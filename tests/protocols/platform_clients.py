"""The messages of serverless platforms, answered within the test's own process."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.serverless.aws_lambda import lambda_handler
from aylien_model_serving.serverless.runpod import RunPodHandler
from tests.protocols import service
from tests.protocols.cases import KINDS, Found, Refused


def _app(platform: str | None = None) -> Any:
    variables = {} if platform is None else {"MODEL_SERVING_PLATFORM": platform}
    with patch.dict("os.environ", variables):
        return FlaskAppWrapper.create_app(service.ROUTES)


class PlatformClient:
    """Posts to the path of a platform, in its own envelope.

    Args:
        platform: as the setting has it.
        path: that the platform calls.
        wrap: makes the body of the fields.
        unwrap: finds the result in the answer.
        prefix: of error messages.
    """

    def __init__(
        self,
        platform: str,
        path: str,
        wrap: Callable[[Any], Any] = lambda fields: fields,
        unwrap: Callable[[Any], Any] = lambda answer: answer,
        prefix: str = "",
    ) -> None:
        self._client = _app(platform).test_client()
        self._path, self._wrap, self._unwrap, self._prefix = path, wrap, unwrap, prefix

    def ask(self, fields: Mapping[str, Any]) -> Found | Refused:
        answer = self._client.post(self._path, json=self._wrap(fields))
        if answer.status_code != 200:
            return Refused(KINDS[answer.status_code], answer.json["error"].removeprefix(self._prefix))
        return Found(self._unwrap(answer.json))


def vertex() -> PlatformClient:
    """Return a client of one instance."""
    return PlatformClient(
        "vertex",
        "/predict",
        lambda fields: {"instances": [fields]},
        lambda answer: answer["predictions"][0],
        "instances[0]: ",
    )


class RunPodClient:
    """Gives the handler of RunPod's SDK a job."""

    def __init__(self) -> None:
        self._handler = RunPodHandler(_app(), lambda job, told: None)

    def ask(self, fields: Mapping[str, Any]) -> Found | Refused:
        result = asyncio.run(self._handler.answer({"id": "a-job", "input": {"path": "/examine", **fields}}))
        if "error" in result:
            return Refused(KINDS[result["status"]], result["error"])
        return Found(result)


class LambdaClient:
    """Gives the handler of a Lambda function the event of a function URL."""

    def __init__(self) -> None:
        with own_loop():
            self._handler = lambda_handler(_app())

    def ask(self, fields: Mapping[str, Any]) -> Found | Refused:
        with own_loop():
            answer = self._handler(event(json.dumps(fields).encode()), None)
        body = json.loads(answer["body"])
        if answer["statusCode"] != 200:
            return Refused(KINDS[answer["statusCode"]], body["error"])
        return Found(body)


@contextmanager
def own_loop() -> Iterator[None]:
    """Have Mangum find an event loop, which in Lambda is the process's own."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def event(body: bytes, path: str = "/examine", **headers: str) -> dict[str, Any]:
    """Return the event of a POST to a function URL (payload format 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "a.lambda-url.on.aws", **headers},
        "requestContext": {
            "domainName": "a.lambda-url.on.aws",
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
