"""Streamed replies: their clients have places, of which there are few on a server's threads."""

from __future__ import annotations

from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.errors import Unavailable


def admitted(endpoint: Endpoint, call: Call, reply: Reply, *, holds_thread: bool) -> Reply:
    """Return a streamed reply if there is a place for its client, or the refusal.

    Args:
        endpoint: the handler's.
        call: the request.
        reply: has chunks.
        holds_thread: whether a thread waits for each of them.
    """
    try:
        endpoint.waiters.admit(reply, holds_thread=holds_thread)
    except Unavailable as error:
        return endpoint.error_responses.reply(error, call)
    return reply
