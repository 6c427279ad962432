"""Responses of other libraries, which handlers may return: Werkzeug's, and so Flask's, and Starlette's.

None of the libraries is imported: a handler that makes such a response has done so.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Any

from aylien_model_serving.background.pool import BackgroundBatch
from aylien_model_serving.codecs.response import OF_THE_SERVER, checked_headers, checked_status
from aylien_model_serving.core.messages import REQUEST_ID_HEADER, Reply
from aylien_model_serving.errors import InvalidAnswer
from aylien_model_serving.executors.generators import GeneratorItems

#: Headers that the adapters write themselves, or the server; those libraries leave it to theirs to drop them.
_ADAPTER_HEADERS = OF_THE_SERVER | {"content-type", REQUEST_ID_HEADER.lower(), "x-content-type-options"}


def reply_of(result: Any, request_id: str) -> Reply | None:
    """Return the reply that a response of another library is; None for anything else.

    Args:
        result: of a handler.
        request_id: of the call.

    Raises:
        InvalidAnswer: its status, a header or its body can't be sent.
    """
    if isinstance(result, _kind("werkzeug.wrappers")):
        return _checked(of_werkzeug(result))
    if not isinstance(result, _kind("starlette.responses")):
        return None
    return _checked(_of_starlette(result, request_id))


def _checked(reply: Reply) -> Reply:
    """Return a reply that can be sent: not all of these libraries look at what ends a header."""
    try:
        checked_status(reply.status)
        checked_headers([("Content-Type", reply.media_type)])
        checked_headers(pair for pair in reply.headers if pair[0].lower() not in OF_THE_SERVER)
    except ValueError as error:
        if reply.chunks is not None:
            reply.chunks.close()
        raise InvalidAnswer(f"The answer can't be sent: {error}") from error
    return reply


def _kind(module: str) -> Any:
    """Return the class of a library's responses; a class of nothing where it has not been imported."""
    return getattr(sys.modules.get(module), "Response", ())


def of_werkzeug(response: Any) -> Reply:
    """Return the reply that a response of Werkzeug's is."""
    chunks = None
    if response.is_streamed:
        encoded = (chunk for chunk in response.iter_encoded())
        chunks = GeneratorItems(encoded, response.close, in_native_thread=False)
    given = response.get_wsgi_headers(_environ() if response.autocorrect_location_header else {})
    body = b"" if chunks is not None else response.get_data()
    headers = _own_headers(given, is_streamed=chunks is not None)
    return Reply(response.status_code, body, given.get("Content-Type", ""), headers, chunks)


def _environ() -> Any:
    """Return the environ of Flask's current request, by which a location becomes a whole URL."""
    return sys.modules["flask"].request.environ


def _own_headers(given: Iterable[tuple[str, str]], *, is_streamed: bool) -> list[tuple[str, str]]:
    """Return the headers that are not written by the adapters; these know no stream's length."""
    left_out = _ADAPTER_HEADERS - {"content-length"} if is_streamed else _ADAPTER_HEADERS
    return [(name, value) for name, value in given if name.lower() not in left_out]


def _of_starlette(response: Any, request_id: str) -> Reply:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
    media_type = next((value for name, value in headers if name == "content-type"), "")
    body, chunks = b"", None
    if hasattr(response, "body_iterator"):
        chunks = GeneratorItems(_encoded(response), _nothing, in_native_thread=False)
    elif hasattr(response, "path"):  # of a file, which is read where it is sent
        body = Path(response.path).read_bytes()
    elif hasattr(response, "body"):
        body = bytes(response.body)
    else:
        raise InvalidAnswer(f"The answer is a {type(response).__name__}, whose body is not known here")
    task = getattr(response, "background", None)
    own = _own_headers(headers, is_streamed=chunks is not None)
    after = None if task is None else BackgroundBatch((task,), request_id)
    return Reply(response.status_code, body, media_type, own, chunks, after)


async def _encoded(response: Any) -> AsyncGenerator[bytes, None]:
    async for chunk in response.body_iterator:
        if not isinstance(chunk, (str, bytes, memoryview)):
            raise InvalidAnswer(f"A piece of the answer is a {type(chunk).__name__}: make it text or bytes")
        yield chunk.encode(response.charset) if isinstance(chunk, str) else bytes(chunk)


def _nothing() -> None:
    """The handler has returned: its slot is free already."""
