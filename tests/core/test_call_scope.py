"""What a handler may know of the call that it works on."""

import contextvars
import threading
import time

import pytest

from aylien_model_serving import Cancelled, current_call
from aylien_model_serving.core import call_scope
from aylien_model_serving.core.call_scope import CallScope
from aylien_model_serving.core.cancellation import Cancellable


def test_outside_of_a_call_nobody_cancels() -> None:
    call = current_call()

    assert call.seconds_left is None
    assert not call.cancelled.is_set()
    assert not call.cancelled.wait(0.001)


def test_a_thread_that_waits_is_woken_when_its_call_is_abandoned() -> None:
    waited_for = Cancellable()
    found: list[bool] = []
    with call_scope.within(CallScope(calls=(waited_for,))):
        context = contextvars.copy_context()
        run = contextvars.Context.run
        thread = threading.Thread(target=lambda: found.append(run(context, current_call).cancelled.wait(30)))
        thread.start()

        waited_for.abandon()
        thread.join(30)

        assert found == [True]
        assert current_call().cancelled.is_set()
        assert current_call().cancelled.wait()
        with pytest.raises(Cancelled):
            call_scope.current.get().check()


def test_a_batch_is_cancelled_with_the_last_of_its_calls() -> None:
    first, second = Cancellable(), Cancellable()
    heard: list[str] = []
    with call_scope.within(CallScope(calls=(first, second))):
        with call_scope.current.get().listening(lambda: heard.append("once")):
            first.abandon()
            early = (current_call().cancelled.is_set(), list(heard))
            second.abandon()

        assert (early, heard) == ((False, []), ["once"])
        assert current_call().cancelled.is_set()


def test_who_listens_no_more_is_not_called() -> None:
    waited_for = Cancellable()
    heard: list[str] = []
    with CallScope(calls=(waited_for,)).listening(lambda: heard.append("late")):
        pass

    waited_for.abandon()

    assert heard == []


def test_a_deadline_cancels_as_well() -> None:
    with call_scope.until(time.monotonic() + 0.01):
        call = current_call()
        left = call.seconds_left

        assert left is not None
        assert 0 <= left <= 0.01
        assert call.cancelled.wait(30)
        assert call.seconds_left == 0
