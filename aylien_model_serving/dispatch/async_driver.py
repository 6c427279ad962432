"""Runs the pipeline's steps on an event loop, and beside it where a body or a result is large.

Beside it, the steps between two waits run on a thread, one after the other; waits are awaited on the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.dispatch.steps import Step, Steps
from aylien_model_serving.executors.generators import GeneratorItems
from aylien_model_serving.process import large_work

#: Awaits a step that is not immediate, and raises to abandon it.
WaitOrAbandon = Callable[[Awaitable[Any]], Awaitable[Any]]


async def run_steps_async(steps: Steps, wait_or_abandon: WaitOrAbandon) -> Reply:
    """Run the steps of a call to its reply on an event loop; a task that is cancelled abandons the steps.

    Args:
        steps: what `answer` returned.
        wait_or_abandon: awaits a step that is not immediate, and raises to abandon it.
    """
    try:
        step = next(steps)
        while True:
            try:
                if step.is_immediate():
                    outcome = step.wait()
                else:
                    outcome = await wait_or_abandon(step.wait_async())
                    if large_work.is_large(outcome):
                        return await _run_off_loop(steps, outcome, wait_or_abandon)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(outcome)
    except StopIteration as end:
        reply: Reply = end.value
        return reply
    finally:
        steps.close()


async def run_large_steps_async(steps: Steps, wait_or_abandon: WaitOrAbandon) -> Reply:
    """Do the same for a call with a large body, whose decoding and checking take long.

    A handler runs where its executor awaits it, however quick it has been: it has not met such a body.
    """
    try:
        return await _run_off_loop(steps, None, wait_or_abandon)
    finally:
        steps.close()


async def _run_off_loop(steps: Steps, outcome: Any, wait_or_abandon: WaitOrAbandon) -> Reply:
    """Run the rest of the steps beside the loop.

    Args:
        steps: the call's.
        outcome: of the step that has been awaited; None before the first.
        wait_or_abandon: see `run_steps_async`.
    """
    resume, value = steps.send, outcome
    while not isinstance(reached := await wait_or_abandon(_advance_on_thread(resume, value)), Reply):
        waiting, reached = reached.wait_async(), None  # so that what was decoded is freed on the thread, too
        try:
            resume, value = steps.send, await wait_or_abandon(waiting)
        except Exception as error:
            resume, value = steps.throw, error
    return reached


def _advance(resume: Callable[[Any], Step], value: Any) -> Step | Reply:
    """Run the steps as far as the next one that waits, and return that, or the reply."""
    try:
        return resume(value)
    except StopIteration as end:
        reply: Reply = end.value
        return reply


async def _advance_on_thread(resume: Callable[[Any], Step], value: Any) -> Step | Reply:
    """Do the same on a thread for large work; a cancelled caller waits until it no longer runs."""
    running = large_work.submit(_advance, resume, value)
    done: asyncio.Future[Step | Reply] = asyncio.wrap_future(running)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        if running.cancel():
            _close_stream(value)
        else:
            await asyncio.wait({done})
            _close_stream(done.exception() or done.result())
        raise


def _close_stream(left: Any) -> None:
    """Close a stream that nobody will read, beside the loop: it has a slot of its handler's."""
    stream = left.chunks if isinstance(left, Reply) else left if isinstance(left, GeneratorItems) else None
    if stream is not None:
        large_work.hand_over(stream.close)
