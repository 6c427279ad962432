"""A bare ASGI app as the limit: it reads the body, responds, and does nothing else."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]

VERDICT = {"version": "0.0.1", "language": "en", "confidence": 0.71, "error": "Not an error"}
BATCH_SECONDS = 0.005

_waiting: list[asyncio.Future[None]] = []


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Return the request for /echo and, later, for /batched, and the verdict for all others, unvalidated."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if scope["path"] == "/batched":
        await _batch()
        answer = body
    else:
        answer = json.dumps(json.loads(body) if scope["path"] == "/echo" else VERDICT).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def _batch() -> None:
    """Wait for the end of the batch, whose size is not limited, unlike that of a model's."""
    loop = asyncio.get_running_loop()
    if not _waiting:
        loop.call_later(BATCH_SECONDS, _end_batch)
    ended = loop.create_future()
    _waiting.append(ended)
    await ended


def _end_batch() -> None:
    for ended in _waiting:
        ended.set_result(None)
    _waiting.clear()
