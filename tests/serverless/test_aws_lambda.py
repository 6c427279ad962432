"""A Lambda function's handler, with the events of what calls it."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.serverless.aws_lambda import lambda_handler
from aylien_model_serving.service import Service
from tests.protocols.platform_clients import event, own_loop
from tests.web.asgi_client import NEEDS_A_LOOP

pytestmark = NEEDS_A_LOOP


@pytest.fixture
def handler() -> Iterator[Any]:
    service = Service("in-lambda")

    @service.post("/shout")
    def shout(text: str) -> str:
        return text.upper()

    @service.post("/bytes")
    def invert(data: bytes) -> bytes:
        return bytes(255 - each for each in data)

    with own_loop():
        yield lambda_handler(service)


def test_the_event_of_a_function_url_is_answered(handler: Any) -> None:
    answer = handler(event(b'{"text": "a"}', "/shout", **{"x-request-id": "one-of-mine"}), None)

    assert (answer["statusCode"], answer["body"], answer["isBase64Encoded"]) == (200, '"A"', False)
    assert answer["headers"]["x-request-id"] == "one-of-mine"


def test_bodies_that_are_no_text_go_as_base64(handler: Any) -> None:
    sent = event(
        b"\x00\xff",
        "/bytes",
        **{"content-type": "application/octet-stream", "accept": "application/octet-stream"},
    )

    answer = handler(sent, None)

    assert answer["statusCode"] == 200
    assert answer["isBase64Encoded"] == (not answer["headers"]["content-type"].startswith("application/json"))


def test_the_event_of_a_rest_api_is_answered(handler: Any) -> None:
    rest = {
        "resource": "/{proxy+}",
        "path": "/shout",
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {
            "resourcePath": "/shout",
            "httpMethod": "POST",
            "identity": {"sourceIp": "203.0.113.7"},
        },
        "body": json.dumps({"text": "b"}),
        "isBase64Encoded": False,
    }

    assert json.loads(handler(rest, None)["body"]) == "B"


def test_the_event_of_a_load_balancer_is_answered(handler: Any) -> None:
    alb = {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:a"}},
        "httpMethod": "POST",
        "path": "/shout",
        "queryStringParameters": {},
        "headers": {"content-type": "application/json", "x-forwarded-for": "203.0.113.7", "host": "a"},
        "body": base64.b64encode(b'{"text": "c"}').decode(),
        "isBase64Encoded": True,
    }

    assert json.loads(handler(alb, None)["body"]) == "C"


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b'{"text": 1}', 400), (b'{"words": ""}', 400)])
def test_a_mistake_of_a_client_is_its_error(handler: Any, body: bytes, status: int) -> None:
    answer = handler(event(body, "/shout"), None)

    assert answer["statusCode"] == status
    assert json.loads(answer["body"]).keys() == {"error", "code", "request_id"}


def test_a_path_that_is_none_is_not_found(handler: Any) -> None:
    assert handler(event(b"{}", "/nowhere"), None)["statusCode"] == 404
