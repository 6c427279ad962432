"""An exit that a handler raises is its call's; one that the operator asked for goes on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

import pytest

from aylien_model_serving.errors import HandlerFailed
from aylien_model_serving.handlers import exits
from aylien_model_serving.process import native_threads


class Stop(BaseException):
    """An end of a library's own."""


def caught(error: BaseException) -> BaseException:
    try:
        try:
            raise error
        except BaseException as raised:
            exits.reraise(raised)
    except BaseException as raised:
        return raised


@pytest.mark.parametrize("error", [SystemExit(1), Stop(), GeneratorExit()])
def test_what_would_end_more_than_the_call_is_the_handlers_failure(error: BaseException) -> None:
    failed = caught(error)

    assert isinstance(failed, HandlerFailed)
    assert failed.__cause__ is error


def test_an_exception_stays_what_it_is() -> None:
    error = ValueError("no")

    assert caught(error) is error


@pytest.fixture
def terminated() -> Iterator[None]:
    """Have SIGTERM end the process as Gunicorn's workers do."""

    def handle(number: int, frame: FrameType | None) -> None:
        sys.exit(0)

    before = signal.signal(signal.SIGTERM, handle)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(native_threads.is_patched(), reason="signals come to the hub's greenlet")
@pytest.mark.usefixtures("terminated")
def test_an_exit_that_a_signal_asks_for_while_a_handler_runs_goes_on() -> None:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(10_000_000):
            pass
    except BaseException as error:
        with pytest.raises(SystemExit):
            exits.reraise(error)
    else:
        pytest.fail("no signal came")


def test_a_greenlet_that_is_killed_ends() -> None:
    greenlet = pytest.importorskip("greenlet")
    error = greenlet.GreenletExit()

    assert caught(error) is error
