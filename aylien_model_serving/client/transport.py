"""Between this library and httpx: requests, responses and exceptions; what both drivers share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlencode

import httpx

from aylien_model_serving.client.effects import STREAM_MEDIA_TYPES, ApiRequest, ApiResponse, SendRequest
from aylien_model_serving.client.errors import (
    ClientError,
    ConnectionLost,
    NotUnderstood,
    TimedOut,
    Unreachable,
)
from aylien_model_serving.client.files import Upload

#: Characters that a header can hold and a person can see.
_KEY = re.compile(r"[!-~]+")

#: The seconds that the caller is ready to wait, so that the service does not work for nobody.
_TIMEOUT_HEADER = "X-Request-Timeout"


def address_of(url: str) -> str:
    """Return the address of a service without a slash at its end.

    Raises:
        ValueError: it is no address, or holds a user's name and password, which would be seen in logs.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"The service's address can't be read: {error}") from None
    if parsed.userinfo:
        raise ValueError("The service's address holds a password: give it as a header, or a key as api_key")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"The service's address has to begin with http:// or https://, unlike {url!r}")
    if parsed.query or parsed.fragment:
        raise ValueError(f"The service's address ends with its path, unlike {url!r}")
    return str(parsed).rstrip("/")


def auth_headers(api_key: str | None) -> dict[str, str]:
    """Return the header that carries a key; the one whose value httpx itself never shows.

    Raises:
        ValueError: the key can't be sent.
    """
    if api_key is None:
        return {}
    if not _KEY.fullmatch(api_key):
        raise ValueError("api_key: a key is made of visible ASCII characters, without spaces")
    return {"Authorization": f"Bearer {api_key}"}


def client_settings(api_key: str | None, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that all of httpx's clients share.

    Args:
        api_key: sent with every request.
        headers: sent with every request.
    """
    return {"headers": httpx.Headers({**headers, **auth_headers(api_key)}), "follow_redirects": False}


def to_httpx(
    client: httpx.Client | httpx.AsyncClient,
    address: str,
    effect: SendRequest,
    connect_timeout: float,
    files: ExitStack,
) -> httpx.Request:
    """Return httpx's request for one of this library's.

    Args:
        client: makes the request.
        address: of the service.
        effect: the request and its seconds.
        connect_timeout: seconds that connecting may take.
        files: closes the files that the request is made of, once it has been sent.
    """
    request, seconds = effect.request, effect.seconds
    return client.build_request(
        request.method,
        f"{address}{request.path}" + (f"?{urlencode(request.query)}" if request.query else ""),
        headers={**request.headers, _TIMEOUT_HEADER: f"{seconds:.3f}"},
        content=request.body,
        files=_parts(request, files) or None,
        timeout=httpx.Timeout(seconds, connect=min(seconds, connect_timeout)),
    )


def _parts(request: ApiRequest, files: ExitStack) -> list[tuple[str, Any]]:
    return [(name, _part(value, files)) for name, value in request.form]


def _part(value: str | Upload, files: ExitStack) -> tuple[Any, ...]:
    if isinstance(value, str):
        return None, value
    return value.name, files.enter_context(value.opened()), value.media_type


def set_read_timeout(response: httpx.Response, seconds: float) -> None:
    """Give the body that follows its own seconds; httpx looks them up when it begins to read."""
    response.request.extensions["timeout"]["read"] = seconds


def is_streamed(response: httpx.Response) -> bool:
    """Return whether a body is to be read piece by piece."""
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.status_code == 200 and media_type in STREAM_MEDIA_TYPES


def from_httpx(response: httpx.Response, body: bytes, reader: Any = None) -> ApiResponse:
    """Return the response for one of httpx."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return ApiResponse(response.status_code, headers, body, reader)


@contextmanager
def translate_errors(address: str, seconds: float) -> Iterator[None]:
    """Raise the client's own errors in place of httpx's."""
    try:
        yield
    except httpx.HTTPError as error:
        raise _client_error(error, address, seconds) from error
    except httpx.InvalidURL as error:
        raise ClientError(f"The address can't be asked: {error}") from error


def _client_error(error: httpx.HTTPError, address: str, seconds: float) -> ClientError:
    detail = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectTimeout):
        return Unreachable(f"No service answers at {address}: connecting took too long")
    if isinstance(error, (httpx.ConnectError, httpx.ProxyError, httpx.UnsupportedProtocol)):
        return Unreachable(f"No service answers at {address}: {detail}")
    if isinstance(error, httpx.PoolTimeout):
        return TimedOut(
            f"No connection to {address} became free within {seconds:.3g} s: raise max_connections"
        )
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{address} did not answer within {seconds:.3g} s")
    if isinstance(error, httpx.DecodingError):
        return NotUnderstood(f"The answer of {address} can't be unpacked: {detail}")
    return ConnectionLost(f"The connection to {address} broke: {detail}")
