"""How large batches are on a GPU whose memory has no room for all."""

import gc
import weakref
from typing import Any

import pytest

from aylien_model_serving.executors import memory_ceiling
from aylien_model_serving.executors.memory_ceiling import MemoryCeiling, is_out_of_memory
from tests.executors.engines import EngineHarness
from tests.with_torch import import_torch


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ceiling_of(max_size: int = 32) -> tuple[MemoryCeiling, Clock, list[float]]:
    clock, exhausted = Clock(), list[float]()
    return MemoryCeiling(max_size, lambda: exhausted.append(clock.now), clock), clock, exhausted


def run_batches(ceiling: MemoryCeiling, times: int) -> None:
    for _ in range(times):
        ceiling.worked(ceiling.size)


def test_a_batch_that_ran_out_of_memory_halves_the_ceiling() -> None:
    ceiling, _, _ = ceiling_of(32)

    ceiling.ran_out(32)
    assert ceiling.size == 16
    ceiling.ran_out(16)
    assert ceiling.size == 8
    ceiling.ran_out(1)
    assert ceiling.size == 1


def test_the_ceiling_rises_by_one_after_twenty_full_batches() -> None:
    ceiling, _, _ = ceiling_of(32)
    ceiling.ran_out(32)

    run_batches(ceiling, 19)
    ceiling.worked(3)
    assert ceiling.size == 16
    run_batches(ceiling, 1)
    assert ceiling.size == 17


def test_a_size_that_ran_out_is_tried_again_after_ten_minutes() -> None:
    ceiling, clock, _ = ceiling_of(32)
    ceiling.ran_out(20)

    run_batches(ceiling, 20 * 32)
    assert ceiling.size == 19
    clock.now += 600
    run_batches(ceiling, 20)
    assert ceiling.size == 20
    run_batches(ceiling, 20 * 32)
    assert ceiling.size == 32


def test_three_batches_within_a_minute_are_too_many_and_begin_to_count_anew() -> None:
    ceiling, clock, exhausted = ceiling_of()

    for seconds in (0, 31, 30, 29, 0, 0, 0):
        clock.now += seconds
        ceiling.count_failure()

    assert exhausted == [1090.0, 1090.0]


class Gpu:
    """A handler with memory for so many calls; "huge" has no room by itself."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sizes: list[int] = []

    def __call__(self, a: list[Any]) -> list[Any]:
        self.sizes.append(len(a))
        if len(a) > self.room or "huge" in a:
            raise RuntimeError("CUDA error: out of memory")
        return a


def test_calls_that_have_no_room_together_run_in_smaller_batches_and_so_do_later_ones() -> None:
    gpu = Gpu(room=5)
    harness = EngineHarness(gpu, max_size=16)
    for n in range(40):
        harness.submit(str(n), a=n)

    assert harness.work() == {str(n): n for n in range(40)}
    assert gpu.sizes == [16, 8, 4, 4, 4, 4] + [4] * 6
    assert harness.engine.max_batch() == 4


def test_a_call_that_has_no_room_by_itself_fails_alone_and_lowers_no_ceiling() -> None:
    gpu = Gpu(room=16)
    harness = EngineHarness(gpu, max_size=16)
    for n in range(8):
        harness.submit(str(n), a="huge" if n == 5 else n)

    outcomes = harness.work()

    assert isinstance(outcomes.pop("5"), RuntimeError)
    assert outcomes == {str(n): n for n in range(8) if n != 5}
    assert harness.engine.max_batch() == 16


@pytest.mark.parametrize(("room", "counted"), [(0, 1), (16, 0)])
def test_a_batch_counts_once_unless_one_call_explains_it(room: int, counted: int) -> None:
    harness = EngineHarness(Gpu(room), max_size=4)
    counts: list[int] = []
    harness.engine._memory.count_failure = lambda: counts.append(1)  # type: ignore[method-assign]
    for n in range(4):
        harness.submit(str(n), a="huge" if n == 1 else n)

    harness.work()

    assert len(counts) == counted


def test_what_a_run_that_failed_holds_is_freed_before_the_next_one() -> None:
    class Tensor:
        pass

    held: list[weakref.ref[Tensor]] = []

    def handler(a: list[int]) -> list[int]:
        gc.collect()
        assert not any(tensor() is not None for tensor in held)
        made = Tensor()
        held.append(weakref.ref(made))
        if len(a) > 1:
            raise RuntimeError("CUDA out of memory")
        return a

    harness = EngineHarness(handler)
    for n in range(4):
        harness.submit(str(n), a=n)

    assert harness.work() == {str(n): n for n in range(4)}


def test_errors_of_other_kinds_are_none_of_memory() -> None:
    for error in (
        MemoryError("out of memory"),
        RuntimeError("out of range"),
        ValueError("CUDA out of memory"),
    ):
        assert not is_out_of_memory(error)
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))


def test_torchs_own_error_is_one_of_memory_whatever_it_says() -> None:
    torch = import_torch()

    assert is_out_of_memory(torch.cuda.OutOfMemoryError("Tried to allocate 20.00 GiB"))


def test_freeing_leaves_cuda_alone_where_it_is_not_in_use() -> None:
    try:
        raise RuntimeError("CUDA out of memory")
    except RuntimeError as error:
        memory_ceiling.free(error)
