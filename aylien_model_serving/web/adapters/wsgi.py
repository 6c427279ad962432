"""The WSGI adapter, the fast path: answers requests for bare handlers without Flask's dispatch.

It is taken only where its response equals that of the Flask adapter.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response
from werkzeug.wsgi import ClosingIterator

from aylien_model_serving.core.messages import REQUEST_ID_HEADER, Call, Chunks, Reply, deadline_of
from aylien_model_serving.dispatch.pipeline import Endpoint, run_steps
from aylien_model_serving.dispatch.pipeline import answer as answer_steps
from aylien_model_serving.dispatch.streams import admitted
from aylien_model_serving.errors import BodyTooLarge, MalformedBody, ServingError, TooManyRequests
from aylien_model_serving.limiting.limiter import Limiter
from aylien_model_serving.process import native_threads
from aylien_model_serving.web.adapters.flask import finish
from aylien_model_serving.web.adapters.framing import declared_length
from aylien_model_serving.web.adapters.lazy_contexts import LazyContexts, body_environ
from aylien_model_serving.web.adapters.request_info import (
    BODILESS,
    STATUS_LINES,
    EnvironHeaders,
    RequestInfo,
)
from aylien_model_serving.web.adapters.response_headers import NO_SNIFFING
from aylien_model_serving.web.adapters.route_table import RouteMatch

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def answer(
    app: Flask,
    endpoint: Endpoint,
    call: Call,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    info: RequestInfo,
) -> Iterable[bytes]:
    """Answer a request for a bare handler.

    Args:
        app: whose contexts the handler may use, and whose configuration limits the body.
        endpoint: the handler's.
        call: the request, its body not yet read.
        environ: PEP 3333's environment.
        start_response: PEP 3333's callable.
        info: the request's start time and id.
    """
    with LazyContexts(app, lambda: body_environ(environ, call.body)) as contexts:
        limit = endpoint.body_limit.of(app.config["MAX_CONTENT_LENGTH"])
        if endpoint.limiter is None:
            reply = _reply(endpoint, call, environ, limit)
        else:
            reply = _reply_within_limits(endpoint, endpoint.limiter, call, environ, limit)
        if contexts.request_context is not None:
            return _finish_in_context(contexts, reply, endpoint, call, info)(environ, start_response)
    endpoint.instruments.count_request(call.method, reply.status, endpoint.name, info.seconds())
    start_response(STATUS_LINES.get(reply.status) or f"{reply.status} UNKNOWN", _headers(reply, info))
    is_bodiless = call.method == "HEAD" or reply.status in BODILESS
    if reply.chunks is not None or reply.after is not None:
        return _body_of(reply, is_bodiless)
    return () if is_bodiless else (reply.body,)


def _finish_in_context(
    contexts: LazyContexts, reply: Reply, endpoint: Endpoint, call: Call, info: RequestInfo
) -> Response:
    """Return Flask's response where the handler used Flask's contexts."""
    response = finish(contexts, reply, endpoint, call)
    if contexts.counts():
        seconds = info.seconds()
        endpoint.instruments.count_request(call.method, response.status_code, endpoint.name, seconds)
    return response


def _body_of(reply: Reply, is_bodiless: bool) -> Iterable[bytes]:
    """Return a body whose `close`, which the server calls, ends the stream and starts background tasks."""
    body: Iterable[bytes] = () if is_bodiless else (reply.body,)
    if reply.chunks is not None:
        body = _stream(reply.chunks, is_bodiless)
    return body if reply.after is None else ClosingIterator(body, reply.after)


def _stream(chunks: Chunks, is_bodiless: bool) -> Iterable[bytes]:
    if is_bodiless:
        chunks.close()
        return ()
    return ClosingIterator(chunks, chunks.close)


def call_of(
    match: RouteMatch, path: str, headers: EnvironHeaders, environ: WSGIEnvironment, info: RequestInfo
) -> Call:
    """Return the call that a request makes, without its body."""
    return Call(
        method=environ["REQUEST_METHOD"],
        path=path,
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
        body=b"",
        path_values=match.path_values,
        request_id=info.request_id,
        deadline=deadline_of(match.endpoint.timeout, headers),
        caller=info.caller.name,
        content_coding=headers.get("content-encoding"),
    )


def _reply_within_limits(
    endpoint: Endpoint, limiter: Limiter, call: Call, environ: WSGIEnvironment, limit: int | None
) -> Reply:
    try:
        admission = limiter.admit(call.caller, environ.get("REMOTE_ADDR") or "", call.headers)
    except TooManyRequests as error:
        return endpoint.error_responses.reply(error, call)
    try:
        return admission.apply(_reply(endpoint, call, environ, limit))
    except BaseException:
        admission.end()
        raise


def _reply(endpoint: Endpoint, call: Call, environ: WSGIEnvironment, limit: int | None) -> Reply:
    try:
        call.body_limit = limit
        call.body = read_body(environ, limit)
    except ServingError as error:
        return endpoint.error_responses.reply(error, call)
    reply = run_steps(answer_steps(endpoint, call))
    return reply if reply.chunks is None else admitted(endpoint, call, reply, holds_thread=True)


def send_reply(
    reply: Reply, method: str, start_response: StartResponse, info: RequestInfo
) -> Iterable[bytes]:
    """Send a reply that no handler has made."""
    start_response(STATUS_LINES[reply.status], _headers(reply, info))
    return () if method == "HEAD" or reply.status in BODILESS else (reply.body,)


def _headers(reply: Reply, info: RequestInfo) -> list[tuple[str, str]]:
    """Return the headers in the order in which Flask's response has them."""
    headers = [("Content-Type", reply.media_type)] if reply.media_type else []
    if reply.chunks is None and reply.status not in BODILESS:
        headers.append(("Content-Length", str(len(reply.body))))
    if reply.headers:
        headers += reply.headers
    headers.append((REQUEST_ID_HEADER, info.request_id))
    headers.append(NO_SNIFFING)
    return headers


def read_body(environ: WSGIEnvironment, limit: int | None) -> bytes:
    """Return the whole body of a WSGI request.

    Args:
        environ: PEP 3333's environment.
        limit: the largest accepted body in bytes.

    Raises:
        BodyTooLarge: its declared or real length is over the limit; a declared one is refused unread.
        MalformedBody: its declared length is none, it ends before it, or its framing is broken.
    """
    declared = environ.get("CONTENT_LENGTH")
    if declared:
        return _read_declared(environ["wsgi.input"], declared_length(declared), limit)
    if not environ.get("wsgi.input_terminated"):
        return b""
    body = _read_chunks(environ["wsgi.input"], limit)
    if limit is not None and len(body) >= limit:
        raise BodyTooLarge(limit)
    return body


def _read_chunks(stream: Any, limit: int | None) -> bytes:
    """Read a body of unknown length, up to the limit, in steps between which gevent's hub has its turn.

    A client may send a million chunks of one byte, which a server takes microseconds for each: a step that
    takes long makes the next one short.
    """
    body, step = io.BytesIO(), _FIRST_STEP
    while limit is None or body.tell() < limit:
        begun = time.monotonic()
        piece = _read(stream, step if limit is None else min(step, limit - body.tell()))
        if not piece:
            break
        body.write(piece)
        is_slow = time.monotonic() - begun > _LONG_STEP
        step = max(_FIRST_STEP, step // 2) if is_slow else min(2 * step, _LONGEST_STEP)
        native_threads.yield_to_others()
    return body.getvalue()


#: Bytes of the first step and of the longest, and the seconds after which it was too long.
_FIRST_STEP, _LONGEST_STEP, _LONG_STEP = 4096, 1024 * 1024, 0.005


def _read_declared(stream: Any, length: int, limit: int | None) -> bytes:
    if limit is not None and length > limit:
        raise BodyTooLarge(limit)
    body = _read(stream, length)
    if len(body) < length:
        raise MalformedBody(f"The body ends after {len(body)} of {length} declared bytes")
    return body


def _read(stream: Any, size: int) -> bytes:
    """Read from a server; each has its own errors for a body that is cut or wrongly framed."""
    try:
        body: bytes = stream.read(size)
    except Exception as error:
        raise MalformedBody(f"The body can't be read: {error}") from error
    return body
