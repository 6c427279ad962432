"""A response → what a call returns or raises: a value, a file, a job's state, or an error.

Pure.
"""

from __future__ import annotations

import json
from typing import Any

from aylien_model_serving.client.effects import ApiResponse
from aylien_model_serving.client.errors import NotUnderstood, error_from_response
from aylien_model_serving.client.files import decode_files, file_from_response
from aylien_model_serving.errors import reason


def parse_response(response: ApiResponse) -> Any:
    """Return what a response says; None where it says nothing, but an empty text or file is one.

    Raises:
        ServingError: the service refused or failed.
        NotUnderstood: a redirect, which is not followed, or a body that is not what its media type says.
    """
    raise_for_status(response)
    media_type = response.media_type
    if response.status == 204 or not (response.body or media_type):
        return None
    if media_type == "application/json" or media_type.endswith("+json"):
        return decode_files(parse_json(response.body)) if response.body else None
    if media_type.startswith("text/"):
        return response.body.decode(errors="replace")
    return file_from_response(response.body, media_type, response.headers.get("content-disposition", ""))


def raise_for_status(response: ApiResponse) -> None:
    """Raise the error of a response, if it is one.

    Raises:
        ServingError: the service refused or failed.
        NotUnderstood: it is a redirect, which is not followed: whoever is there shall not get the API key.
    """
    if response.status >= 400:
        raise error_from_response(response)
    if response.status >= 300:
        there = response.headers.get("location", "nowhere")
        raise NotUnderstood(
            f"The service answered {response.status} {reason(response.status)}, to {there}: "
            "redirects are not followed; make a client of the address that it has moved to"
        )


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        NotUnderstood: it is no JSON.
    """
    try:
        return json.loads(body)
    except ValueError as error:
        raise NotUnderstood(f"The answer says that it is JSON, and is not: {error}") from error
