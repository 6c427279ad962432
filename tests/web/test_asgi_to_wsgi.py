"""Flask's threads under an ASGI server: each is returned to the pool, however its request ends."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.exceptions import ClientDisconnected

from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.web.adapters import asgi_to_wsgi
from tests.contracts.adapters import scope_of
from tests.contracts.cases import get
from tests.web.asgi_client import NEEDS_A_LOOP, run, until

pytestmark = NEEDS_A_LOOP

QUEUED = 10  # pieces that a2wsgi holds between a thread and the loop


class Endless:
    """A WSGI application whose bodies have no end, and that counts them."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.made = 0

    def __call__(self, environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        self.opened += 1
        return self

    def __iter__(self) -> Iterator[bytes]:
        for number in itertools.count():
            self.made += 1
            yield b"%d\n" % number

    def close(self) -> None:
        self.closed += 1


class Server:
    """An ASGI server with one client, which takes so many messages and then no more."""

    def __init__(
        self, app: Any, taking: float = float("inf"), error: BaseException | None = None, path: str = "/"
    ) -> None:
        self.sent: list[dict[str, Any]] = []
        self.waiting = 0
        self._taking = taking
        self._error = error
        self.task: asyncio.Task[None] = asyncio.create_task(
            app(scope_of(get(path)), asyncio.Event().wait, self._send)
        )

    def has_begun(self) -> bool:
        """Return whether the app waits for a thread, or for its response."""
        coroutine: Any = self.task.get_coro()
        return coroutine.cr_await is not None

    async def _send(self, message: dict[str, Any]) -> None:
        if len(self.sent) >= self._taking:
            if self._error is not None:
                raise self._error
            self.waiting += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.waiting -= 1
        self.sent.append(message)

    async def cancel(self) -> None:
        """Give the request up, as Gunicorn does some seconds after its client has left."""
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi_to_wsgi, "FLASK_THREADS", 1)


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


def switched(first: Any) -> Callable[[Any, Any], Any]:
    """Return an application that is one application once, and says hello after that."""
    apps = itertools.chain([first], itertools.repeat(hello))
    return lambda environ, start_response: next(apps)(environ, start_response)


async def answered(app: Any) -> bytes:
    server = Server(app)
    await asyncio.wait_for(server.task, 5.0)
    return b"".join(message["body"] for message in server.sent[1:])


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("taken", [0, 1, 5])
def test_a_stream_whose_request_is_cancelled_is_closed_and_returns_its_thread(taken: int) -> None:
    endless = Endless()
    app = asgi_to_wsgi.asgi_of(switched(endless))

    async def scenario() -> None:
        server = Server(app, taken)
        await until(lambda: endless.made > QUEUED - 1)
        await server.cancel()

        assert await answered(app) == b"hello"
        assert len(server.sent) == taken

    run(scenario())

    assert (endless.opened, endless.closed) == (1, 1)


def telling(body: bytes, *, leaves: bool) -> Callable[[], Any]:
    """Return a server's `receive`: of a body in two messages, and of a client that leaves or stays."""
    messages = iter(
        [
            {"type": "http.request", "body": body[:1], "more_body": len(body) > 1},
            *([{"type": "http.request", "body": body[1:], "more_body": False}] if len(body) > 1 else []),
            *([{"type": "http.disconnect"}] if leaves else []),
        ]
    )

    async def receive() -> Any:
        message = next(messages, None)
        return await asyncio.Event().wait() if message is None else message

    return receive


@pytest.mark.usefixtures("one_thread")
def test_a_stream_is_closed_when_its_client_leaves_though_the_server_takes_what_is_sent() -> None:
    endless = Endless()
    app = asgi_to_wsgi.asgi_of(switched(endless))

    async def send(message: Any) -> None:
        await asyncio.sleep(0)

    async def scenario() -> None:
        await asyncio.wait_for(app(scope_of(get("/")), telling(b"", leaves=True), send), 5.0)

        assert await answered(app) == b"hello"

    run(scenario())

    assert endless.closed == 1


@pytest.mark.parametrize("body", [b"a", b"abc"])
def test_a_body_that_is_read_while_the_response_is_streamed_is_whole(body: bytes) -> None:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield from (b"1", b"2", b"3")
        yield environ["wsgi.input"].read()

    sent = []

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    app = asgi_to_wsgi.asgi_of(application)
    run(app(scope_of(get("/")), telling(body, leaves=False), send))  # type: ignore[arg-type]  # a coroutine

    assert b"".join(sent) == b"123" + body


@pytest.mark.usefixtures("one_thread")
def test_a_stream_whose_disconnect_the_server_reports_is_closed_and_returns_its_thread() -> None:
    endless = Endless()
    app = asgi_to_wsgi.asgi_of(switched(endless))

    async def scenario() -> None:
        await asyncio.wait_for(Server(app, 3, OSError("gone")).task, 5.0)

        assert await answered(app) == b"hello"

    run(scenario())

    assert endless.closed == 1


@pytest.mark.usefixtures("one_thread")
def test_what_a_server_raises_at_a_message_reaches_the_server() -> None:
    endless = Endless()
    app = asgi_to_wsgi.asgi_of(switched(endless))

    async def scenario() -> None:
        with pytest.raises(RuntimeError, match="too long"):
            await asyncio.wait_for(Server(app, 3, RuntimeError("too long")).task, 5.0)

        assert await answered(app) == b"hello"

    run(scenario())

    assert endless.closed == 1


@pytest.mark.usefixtures("one_thread")
def test_a_body_that_never_comes_returns_its_thread_when_its_request_is_cancelled() -> None:
    reading = threading.Event()
    outcomes: list[object] = []

    def reader(environ: Any, start_response: Any) -> list[bytes]:
        reading.set()
        try:
            outcomes.append(environ["wsgi.input"].read())
        except ClientDisconnected as error:
            outcomes.append(type(error))
        return hello(environ, start_response)

    app = asgi_to_wsgi.asgi_of(switched(reader))

    async def scenario() -> None:
        server = Server(app)
        await until(reading.is_set)
        await server.cancel()

        assert await answered(app) == b"hello"
        assert server.sent == []

    run(scenario())

    assert outcomes == [ClientDisconnected]


def test_a_body_that_is_broken_off_is_not_taken_for_a_whole_one() -> None:
    outcomes: list[object] = []

    def reader(environ: Any, start_response: Any) -> list[bytes]:
        try:
            outcomes.append(environ["wsgi.input"].read())
        except ClientDisconnected as error:
            outcomes.append(type(error))
        return hello(environ, start_response)

    async def scenario() -> None:
        messages = [{"type": "http.request", "body": b"a=1", "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            pass

        await asgi_to_wsgi.asgi_of(reader)(scope_of(get("/")), receive, send)

    run(scenario())

    assert outcomes == [ClientDisconnected]


@pytest.mark.usefixtures("one_thread")
def test_a_request_that_is_cancelled_before_it_has_a_thread_is_not_answered() -> None:
    asked: list[str] = []
    entered, out = threading.Event(), threading.Event()

    def wait(environ: Any, start_response: Any) -> list[bytes]:
        asked.append(current_request_id.get())
        entered.set()
        assert out.wait(5.0)
        return hello(environ, start_response)

    app = asgi_to_wsgi.asgi_of(wait)

    async def scenario() -> None:
        token = current_request_id.set("first")
        first = Server(app)
        current_request_id.reset(token)
        await until(entered.is_set)
        second = Server(app)
        await until(second.has_begun)
        await second.cancel()
        out.set()
        await first.task
        current_request_id.set("then")

        assert await answered(app) == b"hello"

    run(scenario())

    assert asked == ["first", "then"]


def test_a_stream_waits_for_a_client_that_takes_nothing() -> None:
    endless = Endless()
    app = asgi_to_wsgi.asgi_of(switched(endless))
    taken, on_its_way, waiting_for_room = 1, 1, 1
    room = taken + on_its_way + QUEUED + waiting_for_room

    async def scenario() -> None:
        server = Server(app, 1 + taken)
        await until(lambda: endless.made == room)
        for _ in range(20):
            assert await answered(app) == b"hello"

        assert endless.made == room
        await server.cancel()
        await until(lambda: endless.closed and not server.waiting)

    run(scenario())


def test_an_applications_own_error_reaches_the_server_although_its_client_takes_nothing() -> None:
    def fail(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a piece"
        raise LookupError("lost")

    app = asgi_to_wsgi.asgi_of(fail)

    async def scenario() -> None:
        server = Server(app, 1)
        with pytest.raises(LookupError, match="lost"):
            await server.task
        await until(lambda: not server.waiting)

    run(scenario())


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("path", sorted(asgi_to_wsgi.HEALTH_PATHS))
def test_health_checks_do_not_wait_for_requests_that_have_all_threads(path: str) -> None:
    entered, out = threading.Event(), threading.Event()

    def wait(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] != path:
            entered.set()
            assert out.wait(5.0)
        return hello(environ, start_response)

    app = asgi_to_wsgi.FlaskAsASGI(wait)

    async def scenario() -> None:
        first = Server(app)
        await until(entered.is_set)

        health = Server(app, path=path)
        await asyncio.wait_for(health.task, 5.0)

        assert health.sent[1]["body"] == b"hello"
        assert not first.task.done()
        out.set()
        await first.task

    run(scenario())
