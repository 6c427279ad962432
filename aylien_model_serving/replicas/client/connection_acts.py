"""What a pool does with a connection to a replica, whether callers block on it or wait on a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container

from aylien_model_serving.rpc.connection import Connection
from aylien_model_serving.rpc.connection_async import AsyncConnection

#: What is done with a connection.
Act = Callable[[Connection | AsyncConnection], None]


def is_open(connecting: asyncio.Future[AsyncConnection]) -> bool:
    """Return whether a connection has been made, and has not ended."""
    return not connecting.cancelled() and connecting.exception() is None and connecting.result().is_open


def suspend(begun: Container[int], connection: Connection | AsyncConnection) -> None:
    """Give back the calls that an unresponsive replica has not begun."""
    connection.suspend(begun)


def resume(connection: Connection | AsyncConnection) -> None:
    """Take calls again."""
    connection.resume()


def act_if_open(act: Act, connecting: asyncio.Future[AsyncConnection]) -> None:
    """Do something with a connection, if there is one."""
    if is_open(connecting):
        act(connecting.result())
