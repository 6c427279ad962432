"""The layout of images and the compiler: what `optimize()` tries, and drops if a model fails with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aylien_model_serving.optimize import optimize


def own(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the log lines that are not torch's."""
    return [record for record in caplog.records if record.name == "aylien_model_serving.optimize"]


def is_channels_last(torch: Any, tensor: Any) -> bool:
    return bool(tensor.is_contiguous(memory_format=torch.channels_last))


def test_images_get_their_channels_last_and_answer_as_before(torch: Any, images: Any) -> None:
    inputs = torch.rand(2, 3, 8, 8)
    expected = images.eval()(inputs).detach()
    seen = []
    images[0].register_forward_hook(lambda module, inputs, output: seen.extend([*inputs, output]))

    optimized = optimize(images)
    answer = optimized(inputs)

    assert all(is_channels_last(torch, tensor) for tensor in (*seen, images[0].weight))
    assert "channels last" in optimized.report
    torch.testing.assert_close(answer, expected)


def test_a_model_without_convolutions_keeps_its_layout(torch: Any, module: Callable[..., Any]) -> None:
    model = module(lambda self, image: is_channels_last(torch, image))
    optimized = optimize(model)

    assert not optimized(torch.rand(2, 3, 8, 8))
    assert "channels last" not in optimized.report


def test_channels_stay_first_on_request(torch: Any, images: Any) -> None:
    optimized = optimize(images, channels_last=False)

    optimized(torch.rand(2, 3, 8, 8))

    assert not is_channels_last(torch, images[0].weight)


def views(self: Any, image: Any) -> Any:
    return self.inner(image).view(len(image), -1)


def test_a_model_that_can_not_have_its_channels_last_runs_without(
    torch: Any, module: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    model = module(views, torch.nn.Conv2d(3, 8, 3))
    inputs = torch.rand(2, 3, 8, 8)
    expected = model(inputs).detach()
    optimized = optimize(model)

    answers = [optimized(inputs) for _ in range(3)]

    assert all(torch.equal(answer, expected) for answer in answers)
    assert not is_channels_last(torch, model.inner.weight)
    assert [line.split(":")[0] for line in optimized.report][2:] == ["channels not last"]
    assert [record.levelname for record in own(caplog)] == ["WARNING"]


def test_a_model_fails_where_channels_last_was_requested_and_does_not_work(
    torch: Any, module: Callable[..., Any]
) -> None:
    optimized = optimize(module(views, torch.nn.Conv2d(3, 8, 3)), channels_last=True)

    with pytest.raises(RuntimeError, match="view size is not compatible"):
        optimized(torch.rand(2, 3, 8, 8))


def test_a_call_that_fails_in_every_variant_drops_none(
    torch: Any, images: Any, caplog: pytest.LogCaptureFixture
) -> None:
    optimized = optimize(images)

    with pytest.raises(RuntimeError, match="expected input"):
        optimized(torch.rand(2, 4, 8, 8))
    optimized(torch.rand(2, 3, 8, 8))

    assert "channels last" in optimized.report
    assert is_channels_last(torch, images[0].weight)
    assert not own(caplog)


def test_a_call_within_inference_mode_leaves_weights_that_can_be_trained(
    torch: Any, module: Callable[..., Any]
) -> None:
    model = module(views, torch.nn.Conv2d(3, 8, 3))
    inputs = torch.rand(1, 3, 4, 4)

    with torch.inference_mode():
        optimize(model)(inputs)
    model(inputs).sum().backward()

    assert model.inner.weight.grad is not None


def test_a_compiled_model_answers_as_before(torch: Any, linear: Any) -> None:
    graphs = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    inputs = torch.rand(5, 4)
    expected = linear.eval()(inputs).detach()

    optimized = optimize(linear, compile={"backend": backend})
    answers = [optimized(inputs), optimized(inputs)]

    assert len(graphs) == 1
    assert "torch.compile" in optimized.report
    for answer in answers:
        torch.testing.assert_close(answer, expected)


def fails(graph: Any, inputs: Any) -> Any:
    raise ValueError("this compiler has a bad day\nand a second line")


def test_a_model_that_can_not_be_compiled_runs_as_it_is_and_warns_once(
    torch: Any, linear: Any, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = torch.rand(5, 4)
    expected = linear.eval()(inputs).detach()
    optimized = optimize(linear, compile={"backend": fails})

    answers = [optimized(inputs) for _ in range(3)]

    assert all(torch.equal(answer, expected) for answer in answers)
    [record] = own(caplog)
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("Sequential runs on with not compiled: BackendCompilerFailed: ")
    assert optimized.report[2].startswith("not compiled: BackendCompilerFailed: ")


def test_a_missing_compiler_is_detected_at_once(torch: Any, linear: Any) -> None:
    optimized = optimize(linear, compile={"backend": "nobody"})

    assert "Invalid backend: 'nobody'" in optimized.report[2]
    assert optimized(torch.rand(1, 4)).shape == (1, 2)


def test_an_option_that_the_compiler_does_not_have_is_a_mistake(torch: Any, linear: Any) -> None:
    with pytest.raises(TypeError, match="optimise"):
        optimize(linear, compile={"optimise": True})


def test_a_call_that_a_compiled_model_refuses_is_refused_in_the_models_own_words(
    torch: Any, module: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    def choosy(self: Any, inputs: Any) -> Any:
        if inputs.shape[1] != 4:
            raise ValueError("four numbers, please")
        return self.inner(inputs)

    optimized = optimize(module(choosy), compile={"backend": "eager"})
    optimized(torch.rand(1, 4))

    with pytest.raises(ValueError, match=r"^four numbers, please$"):
        optimized(torch.rand(1, 3))

    assert "torch.compile" in optimized.report
    assert not own(caplog)


def test_layout_and_compiler_are_dropped_each_for_its_own_failure(
    torch: Any, module: Callable[..., Any], images: Any
) -> None:
    compiled = optimize(module(views, torch.nn.Conv2d(3, 8, 3)), compile={"backend": "eager"})
    laid_out = optimize(images, compile={"backend": fails})

    compiled(torch.rand(2, 3, 8, 8))
    laid_out(torch.rand(2, 3, 8, 8))

    assert compiled.report[2] == "torch.compile"
    assert compiled.report[3].startswith("channels not last")
    assert laid_out.report[2] == "channels last"
    assert laid_out.report[3].startswith("not compiled")


def test_memory_that_is_short_is_no_reason_to_try_again(torch: Any, module: Callable[..., Any]) -> None:
    calls = []

    def greedy(self: Any, inputs: Any) -> Any:
        calls.append(inputs)
        raise torch.OutOfMemoryError("too much")

    optimized = optimize(module(greedy, torch.nn.Conv2d(3, 8, 3)))

    with pytest.raises(torch.OutOfMemoryError):
        optimized(torch.rand(1, 3, 8, 8))

    assert len(calls) == 1


@pytest.mark.parametrize("attempt", range(5))
def test_threads_may_share_a_model_whose_first_calls_fail(
    torch: Any, module: Callable[..., Any], caplog: pytest.LogCaptureFixture, attempt: int
) -> None:
    start = threading.Barrier(4, timeout=30)

    def call(inputs: Any) -> Any:
        start.wait()
        return optimized(inputs)

    model = module(views, torch.nn.Conv2d(3, 8, 3))
    inputs = torch.rand(2, 3, 8, 8)
    expected = model(inputs).detach()
    optimized = optimize(model)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(call, [inputs] * 4))

    for answer in answers:
        torch.testing.assert_close(answer, expected)
    assert len(own(caplog)) == 1
