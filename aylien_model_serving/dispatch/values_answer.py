"""The steps of a call from another process of the service, whose arguments and result are values of Python's.

As in `pipeline`, `answer` is a generator that yields the run of the handler. Schemas have no part in it: the
caller is the service's own code, and its hints say what the fields of dataclasses and models become.
"""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

from aylien_model_serving.background.tasks import without_tasks
from aylien_model_serving.codecs.streaming import ItemSource
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.dispatch.steps import Execute, Steps
from aylien_model_serving.errors import HandlerFailed, InvalidAnswer
from aylien_model_serving.executors.generators import GeneratorItems
from aylien_model_serving.handlers.hinted_values import HintedValues
from aylien_model_serving.rpc import values
from aylien_model_serving.rpc.headers import VALUES_TYPE

#: What an item of a stream begins with that is an error as JSON, in place of the number of a value's buffers.
ERROR_MARK = b"\xff\xff\xff\xff"


def answer(
    endpoint: Endpoint,
    hints_of: Callable[[str], HintedValues],
    call: Call,
    open_stream: Callable[[int], Iterator[Any]],
) -> Steps:
    """Read the arguments of a call, run the handler, and reply with what it returned or raised.

    Args:
        endpoint: the model.
        hints_of: returns the hints of a method by its name; "" is the model itself.
        call: its body has the arguments.
        open_stream: returns the items of an argument that is a stream, by its number.
    """
    try:
        fields = values.decode(call.body, open_stream)
        if not isinstance(fields, dict):
            raise HandlerFailed("The arguments of a model are named")
        arguments = hints_of(call.path).arguments(fields)
        result = yield Execute(endpoint.executor, arguments, call, endpoint.schema)
        if isinstance(result, GeneratorItems):
            return Reply(
                200, b"", VALUES_TYPE, chunks=_ItemsOfValues(result, partial(_refusal, endpoint, call))
            )
        return _reply(without_tasks(result))
    except Exception as error:
        return _refusal(endpoint, call, error)


def _refusal(endpoint: Endpoint, call: Call, error: Exception) -> Reply:
    name = f"{endpoint.name}.{call.path}" if call.path else endpoint.name
    return endpoint.error_responses.respond(error, call.method, name, call.request_id, "")


def _reply(result: Any) -> Reply:
    try:
        body, *parts = values.encode(result)
    except (TypeError, OverflowError) as error:
        raise InvalidAnswer(f"The result of a model: {error}") from error
    return Reply(200, bytes(body), VALUES_TYPE, parts=parts)


class _ItemsOfValues:
    """The items of a stream, each as a value by itself."""

    def __init__(self, items: ItemSource, refusal: Callable[[Exception], Reply]) -> None:
        self._items = items
        self._refusal = refusal
        self._context = contextvars.copy_context()

    def __iter__(self) -> Iterator[bytes]:
        try:
            for item in self._items:
                yield b"".join(values.encode(item))
        except Exception as error:
            yield ERROR_MARK + self._context.run(self._refusal, error).body
        finally:
            self._items.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise TypeError("A replica sends items on the thread that makes them")

    def close(self) -> None:
        self._items.close()
