"""Answers an ASGI server's lifespan protocol, and refuses websockets that no mount takes.

A server ends the lifespan once it has answered all requests: background tasks are finished then.
"""

from __future__ import annotations

import asyncio

from aylien_model_serving.background import pool
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.process import lifecycle
from aylien_model_serving.web.adapters.asgi_to_wsgi import Receive, Scope, Send
from aylien_model_serving.web.mounts.table import Mounts


async def refuse_startup(receive: Receive, send: Send, message: str) -> None:
    """Tell a server that the service can't start, and why."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": message})


async def answer(scope: Scope, receive: Receive, send: Send, mounts: Mounts) -> None:
    """Start and stop all mounts with the server's lifespan; refuse a websocket."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
    elif scope["type"] == "lifespan":
        await receive()
        try:
            await mounts.start()
        except Unavailable as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        lifecycle.serving()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await mounts.stop()
        await asyncio.get_running_loop().run_in_executor(None, pool.finish)
        await send({"type": "lifespan.shutdown.complete"})
