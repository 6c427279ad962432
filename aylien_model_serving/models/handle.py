"""The handle of a hosted model: who has it calls the model as a function, whichever process that runs in.

    embed = Model(Embed, batch={"max_size": 32})

    def search(query: str, texts: list[str]) -> list[float]:
        first, *others = embed.map(text=[query, *texts])
        …

The model runs in replicas of the service whose handlers call it, one copy for all processes. A program that
is no service starts them, and they end with it.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property, partial
from typing import Any, NoReturn

from aylien_model_serving.core import call_scope
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.handlers import steps
from aylien_model_serving.handlers.hinted_values import HintedValues
from aylien_model_serving.models import hosting, threads
from aylien_model_serving.models.calls import prepare
from aylien_model_serving.models.inputs import Inputs
from aylien_model_serving.models.outcomes import AsyncItems, Items, ItemsOfThread, outcome_of, value_of
from aylien_model_serving.process import native_threads
from aylien_model_serving.replicas.client.remote_executor import RemoteExecutor
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.rpc.hosted import HostedExecutor
from aylien_model_serving.rpc.spec import import_name_of

#: The event loop of who calls a model, if one runs there.
Loop = asyncio.AbstractEventLoop | None

#: Never held while a caller blocks: it may have been made before gevent patched threads.
_lock = threading.Lock()


#: The models that this process has.
known: weakref.WeakSet[Model] = weakref.WeakSet()


class Model:
    """A hosted model, to be called as a function.

    A call returns what the model's function returns, and raises `ServingError` as its client would get it:
    `InvalidRequest` where the model refuses its input, `Unavailable`, `DeadlineExceeded`, and `HandlerFailed`
    for all else that the model raises, whose traceback is in the log. It raises `Cancelled` where nobody
    waits any more for the call that makes it. Numbers, texts, bytes, lists, dicts, arrays, tensors and
    pictures cross as what they are, dataclasses and models of pydantic by its hints.

    Args:
        callable_: a function, or a class that each replica builds once. Public methods of the class can be
            called as those of the handle.
        name: in metrics and logs, and unique in a service; the callable's own when omitted.
        runner: True, or the options of its replicas, as in a route.
        batch: True, or the options of batches, for a callable that takes a list of each argument.
        threads: calls that may run at once in one replica.
        max_queue: calls that may wait for one replica.
        timeout: seconds that a call may take; that of the call which a handler works on, if it ends before.
        warmup: arguments of a call that each replica makes before it is ready.
        unknown: anything else, which is refused.

    Raises:
        ConfigurationError: an argument is wrong, or another process can't find the callable by name.
    """

    def __init__(
        self,
        callable_: Callable[..., Any],
        *,
        name: str | None = None,
        runner: bool | Mapping[str, Any] = True,
        batch: bool | Mapping[str, Any] = False,
        threads: int = 1,
        max_queue: int | None = None,
        timeout: float | None = None,
        warmup: Mapping[str, Any] | None = None,
        **unknown: NoReturn,
    ) -> None:
        self.route: Route = hosting.route_of(
            callable_,
            name=name,
            runner=runner,
            batch=batch,
            threads=threads,
            max_queue=max_queue,
            timeout=timeout,
            warmup=warmup,
            **unknown,
        )
        known.add(self)
        self._executor: HostedExecutor | None = None
        self._instead: Callable[..., Any] | None = None
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    @property
    def __name__(self) -> str:
        return self.route.name

    @property
    def name(self) -> str:
        """The model's name."""
        return self.route.name

    def __call__(self, *args: Any, **fields: Any) -> Any:
        """Call the model, and wait for its result; of a generator, for each item as it is taken."""
        return self._call("", args, fields)

    async def call_async(self, *args: Any, **fields: Any) -> Any:
        """Call the model without blocking the event loop; a generator's items come from `async for`."""
        return await self._call_async("", args, fields)

    def submit(self, *args: Any, **fields: Any) -> Future[Any]:
        """Call the model, and return a future of its result at once."""
        return threads.submit(self._call, "", args, fields)

    def map(self, *, return_exceptions: bool = False, **columns: Iterable[Any]) -> list[Any]:
        """Call the model once for each row of columns, many at a time, and return the results in their order.

        Args:
            return_exceptions: whether an error stands in its call's place; else the first is raised, when all
                calls have ended.
            columns: for each argument its values, as many as the others have.

        Raises:
            ValueError: the columns differ in length.
        """
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        outcomes = self._outcomes(rows)
        failed = next((outcome for outcome in outcomes if isinstance(outcome, Exception)), None)
        if failed is not None and not return_exceptions:
            raise failed
        return outcomes

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Return a method of the model's class, as a function that calls it in a replica.

        Raises:
            AttributeError: the class has no such method, or it is private.
        """
        route = self.__dict__.get("route")
        kind = None if route is None else route.callable
        if method.startswith("_") or not inspect.isclass(kind) or not callable(getattr(kind, method, None)):
            raise AttributeError(f"{kind} has no public method {method!r}")
        if self.route.target is not kind:
            raise AttributeError(f"{self.name} answers by its stages or steps: call the model itself")
        if self.route.batch is not None:
            raise AttributeError(
                f"{self.name} takes batches, which are calls of the model itself, not of {method!r}"
            )
        return _Method(self, method)

    def start(
        self,
        service: str,
        on_waiting: Callable[[int], None],
        waiters: Waiters,
        service_name: str | None = None,
    ) -> HostedExecutor:
        """Have the replicas started for a service.

        Args:
            service: its number in this process.
            on_waiting: called with the number of calls that wait for a replica.
            waiters: the service's places for callers that wait.
            service_name: the service's name, where it has one.
        """
        with _lock:
            executor = self._executor
            if executor is None:
                target = import_name_of(self.route.callable)
                spec = hosting.spec_of(self.route, service, target=target, service_name=service_name)
                executor = self._executor = RemoteExecutor(spec, on_waiting, waiters)
        executor.start()
        return executor

    def adopt(self, executor: HostedExecutor) -> None:
        """Have calls go to the replicas of a route that hosts this model."""
        self._executor = executor

    def run_instead(self, callable_: Callable[..., Any] | None) -> None:
        """Have a callable of this process answer all calls, for tests; None for the replicas again."""
        self._instead = steps.answering(callable_)

    def run_here(self) -> None:
        """Have calls run in this process, by a model that it builds at the first one, for tests."""
        self._instead = hosting.LazyHandler(self.route)

    def _remote(self) -> HostedExecutor:
        executor = self._executor
        return self.start("0", _ignore, Waiters()) if executor is None else executor

    @cached_property
    def _signatures(self) -> hosting.Signatures:
        return hosting.Signatures(self.route)

    def _hints(self, method: str) -> HintedValues:
        return self._signatures.hints(method)

    def _call(self, method: str, args: tuple[Any, ...], fields: dict[str, Any], loop: Loop = None) -> Any:
        if self._instead is not None:
            result = self._local(method)(*args, **fields)
            return native_threads.run_coroutine(result) if inspect.iscoroutine(result) else result
        call = prepare(self.route, self._signatures, method, args, fields, loop)
        with Inputs(call) as inputs:
            reply = inputs.of(self._remote().run({}, call))
        if reply.chunks is not None:
            return Items(reply.chunks, self.name, self._hints(method).result, call_scope.current.get())
        return self._read(reply, method)

    async def _call_async(self, method: str, args: tuple[Any, ...], fields: dict[str, Any]) -> Any:
        if self._instead is not None:
            result = self._local(method)(*args, **fields)
            result = await result if inspect.isawaitable(result) else result
            return ItemsOfThread(result) if isinstance(result, Iterator) else result
        loop = asyncio.get_running_loop()
        if not self._is_connected(loop):
            run = partial(contextvars.copy_context().run, self._call, method, args, fields, loop)
            result = await asyncio.wrap_future(threads.submit(run))
            return ItemsOfThread(result) if isinstance(result, Items) else result
        call = prepare(self.route, self._signatures, method, args, fields, loop)
        with Inputs(call) as inputs:
            reply: Reply = inputs.of(await self._remote().run_async({}, call))
        if reply.chunks is not None:
            return AsyncItems(reply.chunks, self.name, self._hints(method).result, call_scope.current.get())
        return self._read(reply, method)

    def _is_connected(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether a loop is the one of this process that is connected to the replicas."""
        known = None if self._loop is None else self._loop()
        if known is None or known.is_closed():
            self._loop, known = weakref.ref(loop), loop
        return known is loop

    def _local(self, method: str) -> Callable[..., Any]:
        assert self._instead is not None
        found: Callable[..., Any] = getattr(self._instead, method) if method else self._instead
        return found

    def _outcomes(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        if self._instead is not None:
            return [outcome_of(partial(self._call, "", (), row)) for row in rows]
        calls = [prepare(self.route, self._signatures, "", (), row) for row in rows]
        if any(call.inner is not None and call.inner.inputs for call in calls):
            raise TypeError(f"{self.name}.map() takes no streams: call the model for each")
        replies = self._remote().run_many(calls)
        return [
            reply if isinstance(reply, Exception) else outcome_of(partial(self._read, reply))
            for reply in replies
        ]

    def _read(self, reply: Reply, method: str = "") -> Any:
        return self._hints(method).result(value_of(reply, self.name))


class _Method:
    """A method of a model's class, called as the model itself is."""

    def __init__(self, model: Model, name: str) -> None:
        self._model = model
        self._name = name

    def __call__(self, *args: Any, **fields: Any) -> Any:
        return self._model._call(self._name, args, fields)

    async def call_async(self, *args: Any, **fields: Any) -> Any:
        return await self._model._call_async(self._name, args, fields)

    def submit(self, *args: Any, **fields: Any) -> Future[Any]:
        return threads.submit(self._model._call, self._name, args, fields)


def _ignore(number: int) -> None:
    """Nothing shows how many calls of a program's own wait."""
