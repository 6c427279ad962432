"""The service as the handler of an AWS Lambda function, for API Gateway, load balancers and function URLs.

Mangum makes requests to the app of their events, and events of its responses; streams are sent when they end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

#: Bodies that events carry as text, beside those that Mangum knows; all others as Base64.
_TEXTS = [*DEFAULT_TEXT_MIME_TYPES, "application/problem+json", "application/x-ndjson"]


def lambda_handler(app: Any) -> Callable[[Any, Any], dict[str, Any]]:
    """Return the handler that Lambda calls with each event.

    Args:
        app: a `Service`, which is built here, before the first event, or what `create_app` has returned.
    """
    return Mangum(getattr(app, "wsgi", app), lifespan="off", text_mime_types=_TEXTS)
