"""The service that all protocols are asked about: one handler, whose schema every one of them can express."""

import math
import time
from typing import Any

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import InvalidRequest, NotFound, TooManyRequests, Unavailable
from tests.protocols.protocol_messages_pb2 import Finding, Reading

#: Seconds that the route allows a call.
TIMEOUT = 2.0


def examine(
    text: str,
    count: int,
    scale: float,
    loud: bool,
    values: list[float],
    tags: list[str],
    failure: str,
) -> dict[str, Any]:
    if failure:
        _FAILURES[failure]()
    if failure == "unfit":
        return {"text": text, "count": "many"}
    return {
        "text": text.upper() if loud else text,
        "count": count + len(tags),
        "total": math.fsum(values) * scale,
        "loud": loud,
        "values": values[::-1],
        "tags": sorted(tags),
    }


def _fail(error: BaseException) -> Any:
    def fail() -> None:
        raise error

    return fail


_FAILURES: dict[str, Any] = {
    "invalid": _fail(InvalidRequest("text: a language that is not known")),
    "not found": _fail(NotFound("There is no model of this name")),
    "busy": _fail(Unavailable("The model is being loaded")),
    "often": _fail(TooManyRequests("Ten calls a minute, and no more")),
    "raised": _fail(RuntimeError("the secret of the handler")),
    "exit": _fail(SystemExit(3)),
    "index": _fail(IndexError("another secret")),
    "late": lambda: time.sleep(TIMEOUT * 1.5),
    "unfit": lambda: None,
}

ROUTES = [
    {
        "endpoint": "/examine",
        "callable": examine,
        "name": "examine",
        "schema": (Reading, Finding),
        "timeout": TIMEOUT,
        "oip": True,
    }
]

app = FlaskAppWrapper.create_app(ROUTES)
