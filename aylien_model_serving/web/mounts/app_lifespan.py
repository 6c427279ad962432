"""The lifespan of a mounted ASGI application: started before its first request, shut down with the process.

https://asgi.readthedocs.io/en/stable/specs/lifespan.html is the protocol.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aylien_model_serving.background import pool
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.web.adapters.asgi_to_wsgi import Application, Message
from aylien_model_serving.web.mounts import loop_thread

logger = logging.getLogger(__name__)

#: Lifespans that have been started and must be shut down, even where their service is out of use.
_started: set[AppLifespan] = set()

#: Seconds that an application is given to shut down.
STOP_SECONDS = 20.0


class AppLifespan:
    """The lifespan of one application in each process that serves it.

    Args:
        app: the application.
        label: names the application in messages.
    """

    def __init__(self, app: Application, label: str) -> None:
        self._app = app
        self._label = label
        self._running: _RunningLifespan | None = None
        #: Its requests in flight, with what they do after their responses.
        self.underway: set[asyncio.Future[None]] = set()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on which the application runs."""
        running = self._running
        return loop_thread.of_process() if running is None or running.is_lost() else running.loop

    @property
    def state(self) -> dict[str, Any]:
        """The lifespan state; each request gets a copy."""
        return {} if self._running is None else self._running.state.copy()

    def is_up(self) -> bool:
        """Return whether the application has been started and its loop still runs."""
        running = self._running
        return running is not None and running.is_up and not running.is_lost()

    async def start(self) -> None:
        """Start the application unless it is up; concurrent callers wait for the same start.

        Raises:
            Unavailable: it could not be started; the next call tries again.
        """
        if self._running is None or self._running.is_lost():
            _started.add(self)
            pool.register_for_shutdown(self)
            self._running = _RunningLifespan(self._app, self._label, asyncio.get_running_loop())
        running = self._running
        try:
            if running.loop is asyncio.get_running_loop():
                await running.started()
            else:
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(running.started(), running.loop))
        except Unavailable:
            if self._running is running:
                self._forget()
            raise

    @contextmanager
    def request(self) -> Iterator[None]:
        """Have the shutdown wait for the block; for servers that do not wait for requests themselves."""
        done = asyncio.get_running_loop().create_future()
        self.underway.add(done)
        try:
            yield
        finally:
            self.underway.discard(done)
            done.set_result(None)

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Shut the application down after its requests in flight, if it runs on the current loop."""
        running = self._forget()
        if running is not None and not running.is_lost() and running.loop is asyncio.get_running_loop():
            if self.underway:
                await asyncio.wait(set(self.underway), timeout=seconds)
            await running.end(seconds)

    def _forget(self) -> _RunningLifespan | None:
        running, self._running = self._running, None
        _started.discard(self)
        return running

    def finish_tasks(self, until: float) -> int:
        """Shut the application down in a process that takes no more requests.

        Args:
            until: deadline, `time.monotonic()` seconds.
        """
        running, seconds = self._running, max(0.1, until - time.monotonic())
        if running is not None and not running.is_lost():
            try:
                loop_thread.wait_for(self.stop(seconds), running.loop, 2 * seconds)
            except queue.Empty:
                logger.warning("%s: the process ends before the application has", self._label)
        return 0


class _RunningLifespan:
    """The lifespan protocol on one loop.

    Args:
        app: the application.
        label: names it in messages.
        loop: where it runs, which is the current one.
    """

    def __init__(self, app: Application, label: str, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.state: dict[str, Any] = {}
        self._label = label
        self._pid = os.getpid()
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._messages.put_nowait({"type": "lifespan.startup"})
        self._startup: asyncio.Future[None] = loop.create_future()
        self._shutdown_complete = asyncio.Event()
        self._shutdown_requested = False
        self.is_up = False
        # In an empty context: what is logged at the start belongs to no request.
        self._task = contextvars.Context().run(loop.create_task, self._run(app))

    def is_lost(self) -> bool:
        """Return whether its loop has stopped, or belongs to another process."""
        return self._pid != os.getpid() or not self.loop.is_running()

    async def started(self) -> None:
        """Wait until the application has started, or has turned out not to support the protocol.

        Raises:
            Unavailable: its startup failed.
        """
        await asyncio.shield(self._startup)
        self.is_up = True

    async def end(self, seconds: float) -> None:
        """Request the shutdown, and wait so many seconds for it."""
        self._shutdown_requested = True
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        ended = asyncio.ensure_future(self._shutdown_complete.wait())
        await asyncio.wait({ended, self._task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done() and not self._task.done():
            logger.warning("%s did not end in %.0f seconds", self._label, seconds)
        ended.cancel()
        self._task.cancel()

    async def _run(self, app: Application) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await app(scope, self._messages.get, self._send)
        except (asyncio.CancelledError, GeneratorExit):
            raise  # ends this task alone
        except BaseException as error:  # the loop is shared with other applications
            if not self._startup.done():
                logger.debug("%s knows no lifespan: %s", self._label, error)
            elif not self._shutdown_complete.is_set() and self._startup.exception() is None:
                logger.error("%s: its lifespan failed: %s", self._label, error, exc_info=error)
        finally:
            if not self._startup.done():
                self._startup.set_result(None)

    async def _send(self, message: Message) -> None:
        kind, text = message["type"], str(message.get("message", ""))
        if kind == "lifespan.startup.complete":
            self._startup.set_result(None)
        elif kind == "lifespan.startup.failed":
            logger.error("%s could not start: %s", self._label, text)
            self._startup.set_exception(Unavailable(f"{self._label} could not start"))
        elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            if kind == "lifespan.shutdown.failed" and self._shutdown_requested:
                logger.error("%s did not end well: %s", self._label, text)
            self._shutdown_complete.set()
