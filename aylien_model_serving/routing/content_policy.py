"""The Content-Security-Policy of the pages that a route answers with."""

from __future__ import annotations

import re
from typing import Any

from aylien_model_serving.errors import ConfigurationError

#: The policy of a route that names none: a browser shows the page in an origin of its own, without scripts.
SANDBOX = "sandbox"

_POLICY = re.compile(r"[ -~]*[!-~][ -~]*")


def read(value: Any) -> str | None:
    """Return the value of the key; None for no policy.

    Raises:
        ConfigurationError: it is no text that a header can have.
    """
    if value is None or value is False:
        return None
    if not isinstance(value, str) or not _POLICY.fullmatch(value):
        raise ConfigurationError(
            f"a policy like \"default-src 'self'\", or None for none, is expected; this is {value!r}"
        )
    return value
