"""What a handler says of its own health."""

import logging
import threading
from typing import Any

import pytest

from aylien_model_serving.handlers import health
from aylien_model_serving.handlers.health import HealthCheck
from tests.web.asgi_client import NEEDS_A_LOOP


class Handler:
    def __init__(self, said: Any = None) -> None:
        self.said = said

    def __call__(self, text: str) -> str:
        return text

    def health(self) -> Any:
        if isinstance(self.said, BaseException):
            raise self.said
        return self.said


def check_of(handler: Any, seconds: float = 10.0) -> HealthCheck:
    method = health.method_of(handler)
    assert method is not None
    return HealthCheck("model", method, seconds)


@pytest.mark.parametrize("said", [None, True, {"loaded": 3}])
def test_a_handler_is_well_that_says_nothing_or_something_true(said: Any) -> None:
    assert check_of(Handler(said)).ask() == ""


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (False, "health() says no"),
        (RuntimeError("CUDA error"), "health() raised RuntimeError: CUDA error"),
        (SystemExit(3), "health() raised SystemExit: 3"),
    ],
)
def test_a_handler_is_not_well_that_says_no_or_raises(said: Any, error: str) -> None:
    assert check_of(Handler(said)).ask() == error


@NEEDS_A_LOOP
def test_a_coroutine_is_awaited() -> None:
    class Coroutine(Handler):
        async def health(self) -> Any:
            return self.said

    assert check_of(Coroutine(True)).ask() == ""
    assert check_of(Coroutine(False)).ask() == "health() says no"


def test_a_handler_that_hangs_is_not_asked_again_until_it_has_answered() -> None:
    gate, asked = threading.Event(), []

    class Hanging(Handler):
        def health(self) -> Any:
            asked.append(1)
            gate.wait(30)

    check = check_of(Hanging(), seconds=0.01)

    errors = [check.ask(), check.ask()]
    gate.set()
    while check.ask():
        pass

    assert errors == ["health() has not answered within 0.01 seconds"] * 2
    assert len(asked) == 1


def test_each_change_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    handler = Handler(True)
    check = check_of(handler)

    with caplog.at_level(logging.WARNING):
        for handler.said in (True, False, False, True, True):
            check.ask()

    assert caplog.messages == ["model is not well: health() says no", "model is well again"]


def test_what_takes_arguments_or_is_no_method_is_not_asked() -> None:
    class Other(Handler):
        def health(self, patient: str) -> str:  # type: ignore[override]
            return patient

    class Attribute:
        health = 3

    assert health.method_of(Other()) is None
    assert health.method_of(Attribute()) is None  # type: ignore[arg-type]
    assert health.method_of(len) is None
