"""An answer → what the caller gets: a value, a file, a job's state, or an error that is raised.

Pure.
"""

from __future__ import annotations

import json
from typing import Any

from aylien_model_serving.client.effects import ApiResponse
from aylien_model_serving.client.errors import NotUnderstood, error_from_response
from aylien_model_serving.client.files import decode_files, file_from_response
from aylien_model_serving.errors import reason


def parse_response(answer: ApiResponse) -> Any:
    """Return what an answer says; None where it says nothing, but an empty text or file is one.

    Raises:
        ServingError: the service refused or failed.
        NotUnderstood: a redirect, which is not followed, or a body that is not what its media type says.
    """
    raise_for_status(answer)
    media_type = answer.media_type
    if answer.status == 204 or not (answer.body or media_type):
        return None
    if media_type == "application/json" or media_type.endswith("+json"):
        return decode_files(parse_json(answer.body)) if answer.body else None
    if media_type.startswith("text/"):
        return answer.body.decode(errors="replace")
    return file_from_response(answer.body, media_type, answer.headers.get("content-disposition", ""))


def raise_for_status(answer: ApiResponse) -> None:
    """Raise what an answer tells to be wrong.

    Raises:
        ServingError: the service refused or failed.
        NotUnderstood: it is a redirect, which is not followed: whoever is there shall not get the API key.
    """
    if answer.status >= 400:
        raise error_from_response(answer)
    if answer.status >= 300:
        there = answer.headers.get("location", "nowhere")
        raise NotUnderstood(
            f"The service answered {answer.status} {reason(answer.status)}, to {there}: "
            "redirects are not followed; make a client of the address that it has moved to"
        )


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        NotUnderstood: it is none.
    """
    try:
        return json.loads(body)
    except ValueError as error:
        raise NotUnderstood(f"The answer says that it is JSON, and is not: {error}") from error
