"""A bare WSGI app as the limit: it reads the body, responds, and does nothing else."""

import json
from collections.abc import Callable, Iterable
from typing import Any

VERDICT = {"version": "0.0.1", "language": "en", "confidence": 0.71, "error": "Not an error"}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Return the request for /echo and the verdict for all other paths, unvalidated."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    fields = json.loads(body)
    answer = json.dumps(fields if environ["PATH_INFO"] == "/echo" else VERDICT).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
