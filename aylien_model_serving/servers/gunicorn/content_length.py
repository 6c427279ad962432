"""Has Gunicorn's asgi worker refuse a Content-Length of thousands of digits.

Its parser in Python leaves the `ValueError` of `int` to the event loop, which closes the connection without a
response and logs a traceback.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any


def refusing(finish_headers: Callable[[Any], Any], invalid: type[Exception]) -> Callable[[Any], Any]:
    """Return the parser's method that reads a request's framing from its headers.

    Args:
        finish_headers: the method as it is.
        invalid: what the worker answers with 400.
    """

    original = inspect.unwrap(finish_headers)

    @wraps(original)
    def finish(self: Any) -> Any:
        try:
            return original(self)
        except ValueError as error:
            raise invalid("Invalid Content-Length value") from error

    return finish
