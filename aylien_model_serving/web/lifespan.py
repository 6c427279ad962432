"""What an ASGI server asks beside HTTP: the lifespan protocol, and websockets, which are refused.

Floor 4. A server ends the lifespan once it has answered all requests: what is left to do is done then.
"""

from __future__ import annotations

import asyncio

from aylien_model_serving.runners import afterwards
from aylien_model_serving.web.bridge import Receive, Scope, Send


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Take part in the server's lifespan, and refuse websockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
    elif scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.get_running_loop().run_in_executor(None, afterwards.finish)
        await send({"type": "lifespan.shutdown.complete"})
