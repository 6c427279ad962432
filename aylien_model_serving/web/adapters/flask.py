"""The Flask adapter: answers requests that Flask dispatches, and formats their errors.

Views, hooks, blueprints, sessions and all other features of Flask take this path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flask import Response, after_this_request, request
from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    RequestEntityTooLarge,
)

from aylien_model_serving import codecs, errors
from aylien_model_serving.core.messages import REQUEST_ID_HEADER, Call, Reply, deadline_of
from aylien_model_serving.dispatch import foreign_responses
from aylien_model_serving.dispatch.error_responses import ErrorResponses, error_body
from aylien_model_serving.dispatch.pipeline import Endpoint, answer, run_steps
from aylien_model_serving.dispatch.streams import admitted
from aylien_model_serving.handlers import callables
from aylien_model_serving.web import pages
from aylien_model_serving.web.adapters.lazy_contexts import LazyContexts
from aylien_model_serving.web.adapters.recorded_environ import plain
from aylien_model_serving.web.adapters.request_info import (
    REQUEST_INFO,
    EnvironHeaders,
    RequestInfo,
)
from aylien_model_serving.web.adapters.response_headers import complete

_BY_STATUS = {
    kind.status: kind
    for kind in (
        errors.BadRequest,
        errors.Unauthorized,
        errors.Forbidden,
        errors.NotFound,
        errors.MethodNotAllowed,
        errors.BodyTooLarge,
        errors.UnsupportedMediaType,
        errors.TooManyRequests,
        errors.ServingError,
        errors.Unavailable,
        errors.DeadlineExceeded,
    )
}


def _code_and_message(error: HTTPException) -> tuple[str, str]:
    """Return our code and message for a Werkzeug error; a description given by a view is kept."""
    status = error.code or 500
    known = _BY_STATUS.get(status)
    code = known.code if known else errors.reason(status).lower().replace(" ", "_")
    if isinstance(error, MethodNotAllowed):
        return code, str(errors.MethodNotAllowed(tuple(sorted(error.valid_methods or ()))))
    if error.description and error.description != type(error).description:
        return code, error.description
    return code, known.message if known else errors.reason(status)


def error_response(error_responses: ErrorResponses, error: Exception) -> Response:
    """Return the response to an error of Flask's current request."""
    accept = request.headers.get("Accept", "")
    return to_response(
        error_responses.respond(error, request.method, request.path, request_info().request_id, accept)
    )


def http_exception_response(error_responses: ErrorResponses, error: HTTPException) -> Any:
    """Return a Werkzeug error in the service's format; redirects and finished responses pass unchanged."""
    if isinstance(error, InternalServerError) and error.original_exception is not None:
        return error_response(error_responses, error.original_exception)  # type: ignore[arg-type]  # declared as BaseException
    if error.response is not None or error.code is None or error.code < 400:
        return error
    code, message = _code_and_message(error)
    accept = request.headers.get("Accept", "")
    if error is request.routing_exception and prefers_html(accept):
        return _error_page(error, message)
    body, media_type = error_body(error.code, message, code, request_info().request_id, accept)
    return _with_headers(Response(body, error.code, content_type=media_type), error)


def _with_headers(response: Response, error: HTTPException) -> Response:
    for name, value in error.get_headers(request.environ):
        if name.lower() != "content-type":
            response.headers.add(name, ", ".join(sorted(value.split(", "))) if name == "Allow" else value)
    return response


def prefers_html(accept: str) -> bool:
    """Return whether a client prefers a page to JSON, as browsers do where a path is typed."""
    ranges = codecs.media_ranges(accept)
    return codecs.preference("text/html", ranges) > codecs.preference("application/json", ranges) and (
        ranges.get("text/html", (0.0, 0))[0] > 0
    )


def _error_page(error: HTTPException, message: str) -> Response:
    """Return the error page for browsers, with a link to the list of routes."""
    status = error.code or 404
    response = pages.page(
        "refused.html",
        status,
        reason=errors.reason(status),
        method=request.method,
        path=request.path,
        message=message,
        docs=f"{request.script_root}/docs",
    )
    response.headers["Vary"] = "Accept"
    return _with_headers(response, error)


def answer_request(endpoint: Endpoint, path_values: Mapping[str, Any]) -> Response:
    """Answer Flask's current request through the pipeline."""
    try:
        call = call_of_request(endpoint, path_values)
    except errors.ServingError as error:
        return error_response(endpoint.error_responses, error)
    reply = run_steps(answer(endpoint, call))
    if reply.chunks is not None:
        reply = admitted(endpoint, call, reply, holds_thread=True)
    if reply.after is not None:
        after_this_request(partial(_call_on_close, reply.after))
    return to_response(reply)


def _call_on_close(after: Callable[[], None], response: Response) -> Response:
    """Run a function when the final response, which a view may have changed, has been sent."""
    response.call_on_close(after)
    return response


def call_of_request(endpoint: Endpoint, path_values: Mapping[str, Any]) -> Call:
    """Return the call that Flask's current request makes of an endpoint.

    Raises:
        ServingError: its body can't be read, or is too large.
    """
    headers, info = EnvironHeaders(plain(request.environ)), request_info()
    limit = endpoint.body_limit.of(request.max_content_length)
    return Call(
        method=request.method,
        path=request.path,
        query=request.environ.get("QUERY_STRING", ""),
        headers=headers,
        body=_body(limit),
        path_values=path_values,
        request_id=info.request_id,
        deadline=deadline_of(endpoint.timeout, headers),
        caller=info.caller.name,
        content_coding=headers.get("content-encoding"),
        body_limit=limit,
    )


def request_info() -> RequestInfo:
    """Return the current request's info; created here for a context that was pushed by hand, as in tests."""
    info: RequestInfo = request.environ.get(REQUEST_INFO) or request.environ.setdefault(
        REQUEST_INFO, RequestInfo(None)
    )
    return info


def _body(limit: int | None) -> bytes:
    """Return the whole body.

    Args:
        limit: the largest accepted body in bytes.

    Raises:
        BodyTooLarge: its declared or real length is over the limit; a declared one is refused unread.
        MalformedBody: it ends before its declared length, or its framing is broken.
    """
    request.max_content_length = request.max_form_memory_size = limit
    try:
        body = request.get_data(parse_form_data=False)
    except RequestEntityTooLarge:
        raise errors.BodyTooLarge(limit) from None
    except ClientDisconnected as error:
        raise errors.MalformedBody("The body ends too early") from error
    except Exception as error:  # each server has its own for a body that is cut or wrongly framed
        raise errors.MalformedBody(f"The body can't be read: {error}") from error
    if request.content_length is None:
        if limit is not None and len(body) >= limit:  # Werkzeug stops reading there without an error
            raise errors.BodyTooLarge(limit)
    elif limit is not None and len(body) > limit:  # a hook has read it
        raise errors.BodyTooLarge(limit)
    elif len(body) < request.content_length:
        raise errors.MalformedBody(
            f"The body ends after {len(body)} of {request.content_length} declared bytes"
        )
    return body


def to_response(reply: Reply) -> Response:
    """Return a reply as Flask's response."""
    body = reply.body if reply.chunks is None else reply.chunks
    response = Response(body, reply.status, content_type=reply.media_type)
    for name, value in reply.headers:
        response.headers.add(name, value)
    if not reply.media_type:
        del response.headers["Content-Type"]
    response.headers[REQUEST_ID_HEADER] = request_info().request_id
    return response


def finish(contexts: LazyContexts, reply: Reply, endpoint: Endpoint, call: Call) -> Response:
    """Return the response of a handler that used the contexts, with what it left there applied."""
    try:
        response = contexts.finish(to_response(reply))
    except Exception as error:
        response = to_response(endpoint.error_responses.reply(error, call))
    complete(response.headers, call.request_id, endpoint.content_policy)
    if reply.chunks is not None and response.response is not reply.chunks:
        reply.chunks.close()
    return response if reply.after is None else _call_on_close(reply.after, response)


def accept_aborts(handler: Callable[..., Any], error_responses: ErrorResponses) -> Callable[..., Any]:
    """Wrap a handler so that it may call Flask's `abort`."""
    if callables.is_async(handler):

        async def call_async(*positional: Any, **named: Any) -> Any:
            try:
                return await handler(*positional, **named)
            except HTTPException as error:
                return _abort_reply(error, error_responses)

        return call_async

    def call(*positional: Any, **named: Any) -> Any:
        try:
            return handler(*positional, **named)
        except HTTPException as error:
            return _abort_reply(error, error_responses)

    call.__name__ = callables.name_of(handler)
    return call


def _abort_reply(error: HTTPException, error_responses: ErrorResponses) -> Any:
    response = http_exception_response(error_responses, error)
    return foreign_responses.of_werkzeug(
        response.get_response(request.environ) if isinstance(response, HTTPException) else response
    )
