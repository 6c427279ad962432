"""Applications to mount: a FastAPI app and a Flask app that show where they are and what reaches them.

What must be known from outside of a server's process is written to the file that MOUNTED_LOG names.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import RedirectResponse, StreamingResponse
from flask import Flask, Response, jsonify, redirect, request, url_for
from flask import make_response as make

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.app import ServingFlask

logger = logging.getLogger("mounted")


def note(line: str) -> None:
    """Write down what happened in this process."""
    if "MOUNTED_LOG" in os.environ:
        with Path(os.environ["MOUNTED_LOG"]).open("a") as file:
            file.write(f"{line} {os.getpid()}\n")


def notes(path: Path) -> list[str]:
    """Return what was written down, without the processes."""
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


class Stamp:
    """ASGI middleware that puts a header on each answer.

    Args:
        app: the application.
        stamp: the header's value.
        name: the header's name.
    """

    def __init__(self, app: Any, stamp: str, name: str = "x-stamp") -> None:
        self.app = app
        self.name = name.encode()
        self.stamp = stamp.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def stamped(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (self.name, self.stamp)]}
            await send(message)

        await self.app(scope, receive, stamped)


class Seen:
    """WSGI middleware that keeps the paths that it saw and puts a header on each answer.

    Args:
        app: the application.
        paths: to which each path is added.
    """

    def __init__(self, app: Any, paths: list[str] | None = None) -> None:
        self.app = app
        self.paths = [] if paths is None else paths

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.paths.append(environ["PATH_INFO"])

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, ("X-Seen", "yes")], *error)

        return self.app(environ, start)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    note("started")
    yield {"greeting": "hello"}
    await asyncio.to_thread(note, "ended")


def fast() -> FastAPI:
    """Return a FastAPI app."""
    app = FastAPI(title="mounted", lifespan=lifespan)

    @app.get("/where")
    async def where(request: Request) -> dict[str, Any]:
        return {
            "root": request.scope["root_path"],
            "url": str(request.url),
            "query": request.scope["query_string"].decode("latin-1"),
            "named": str(request.url_for("where")),
            "greeting": request.state.greeting,
            "id": request.headers["x-request-id"],
            "loop": id(asyncio.get_running_loop()),
        }

    @app.get("/quick")
    def quick(seconds: float = 0) -> dict[str, int]:
        time.sleep(seconds)
        return {"pid": os.getpid()}

    @app.get("/slow")
    async def slow(seconds: float) -> dict[str, int]:
        await asyncio.sleep(seconds)
        return {"pid": os.getpid()}

    @app.get("/")
    async def front() -> str:
        return "front"

    @app.get("/folder/")
    async def folder() -> dict[str, str]:
        return {"folder": "yes"}

    @app.get("/cookies")
    async def cookies() -> RedirectResponse:
        answer = RedirectResponse("folder/")
        answer.set_cookie("one", "1", path="/fast")
        answer.set_cookie("two", "2")
        return answer

    @app.post("/size")
    async def size(request: Request) -> dict[str, int]:
        return {"size": sum([len(piece) async for piece in request.stream()])}

    _add_endings(app)
    return app


def _add_endings(app: FastAPI) -> None:
    """Add what ends otherwise than with one small answer."""

    @app.get("/stream")
    async def stream(count: int = 3, seconds: float = 0) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                for number in range(count):
                    yield f"{number}\n".encode()
                    await asyncio.sleep(seconds)
            finally:
                note("streamed")

        return StreamingResponse(pieces(), media_type="text/plain")

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> dict[str, bool]:
        tasks.add_task(asyncio.sleep, 0.2)
        tasks.add_task(note, "later")
        return {"answered": True}

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout")

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("it broke")

    @app.get("/cut")
    async def cut() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"begun"
            raise ValueError("it broke on the way")

        return StreamingResponse(pieces())

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        while (text := await websocket.receive_text()) != "bye":
            await websocket.send_text(f"{websocket.scope['root_path']} {text}")
        await websocket.close()


def flask() -> Flask:
    """Return a Flask app."""
    app = Flask("mounted")

    @app.get("/where")
    def where() -> Response:
        return jsonify(
            root=request.script_root,
            url=request.url,
            query=request.query_string.decode("latin-1"),
            named=url_for("where"),
            id=request.headers["X-Request-ID"],
        )

    @app.get("/")
    def front() -> str:
        return "front"

    @app.get("/folder/")
    def folder() -> Response:
        return jsonify(folder="yes")

    @app.get("/cookies")
    def cookies() -> Any:
        answer = redirect(url_for("folder"))
        answer.set_cookie("one", "1", path=request.script_root)
        answer.set_cookie("two", "2")
        return answer

    @app.post("/upload")
    def upload() -> Response:
        file = request.files["file"]
        return jsonify(name=file.filename, size=len(file.read()))

    @app.post("/size")
    def size() -> Response:
        return jsonify(size=len(request.get_data()))

    @app.get("/stream")
    def stream() -> Response:
        def pieces() -> Iterator[bytes]:
            for number in range(3):
                yield f"{number}\n".encode()

        return Response(pieces(), mimetype="text/plain")

    @app.get("/teapot")
    def teapot() -> Response:
        return make("short and stout", 418)

    @app.get("/broken")
    def broken() -> None:
        raise ValueError("it broke")

    return app


def half(number: float) -> dict[str, float]:
    return {"half": number / 2}


def service() -> ServingFlask:
    """Return a service with a route, and both apps mounted."""
    app = FlaskAppWrapper.create_app([{"endpoint": "/half", "callable": half}])
    app.mount_asgi("/fast", fast(), middleware=[(Stamp, {"stamp": "outer"})])
    app.mount_wsgi("/flask", flask())
    return app


def seen_service() -> ServingFlask:
    """Return the same, seen by middleware of either kind."""
    app = service()
    app.add_middleware(Seen)
    app.add_asgi_middleware(Stamp, stamp="yes", name="x-passed")
    return app
