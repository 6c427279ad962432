"""What `optimize()` does to models and to their inputs, and how it reports it."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy
import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.optimize import Optimized, _choose_type, optimize

LOGGER = "aylien_model_serving.optimize"


def test_a_model_is_evaluated_without_gradients_and_answers_as_before(torch: Any, linear: Any) -> None:
    inputs = torch.rand(5, 4)
    expected = linear.eval()(inputs)
    linear.train()

    answer = optimize(linear)(inputs)

    assert not linear.training
    assert answer.is_inference()
    torch.testing.assert_close(answer, expected.detach())


def test_a_model_stays_as_it_is_on_a_cpu(torch: Any, linear: Any) -> None:
    optimized = optimize(linear.double())

    assert optimized(torch.rand(1, 4)).dtype == torch.float64
    assert optimized.report == ("evaluation and inference mode", "float64 on cpu")


@pytest.mark.parametrize(("precision", "name"), [("bf16", "bfloat16"), ("fp16", "float16")])
def test_half_precision_computes_in_it_and_answers_in_float32(
    torch: Any, linear: Any, precision: Any, name: str
) -> None:
    inputs = torch.rand(5, 4)
    expected = linear.eval()(inputs).detach()
    seen = []
    linear[2].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))

    answer = optimize(linear, precision=precision)(inputs)

    assert seen == [getattr(torch, name)]
    assert answer.dtype == torch.float32
    torch.testing.assert_close(answer, expected, atol=0.05, rtol=0.05)


def test_outputs_stay_in_half_precision_on_request(torch: Any, linear: Any) -> None:
    answer = optimize(linear, precision="bf16", float32_outputs=False)(torch.rand(1, 4))

    assert answer.dtype == torch.bfloat16


def test_a_model_in_half_precision_is_brought_to_float32_on_request(torch: Any, linear: Any) -> None:
    optimized = optimize(linear.bfloat16(), precision="fp32")

    assert optimized.dtype == linear[0].weight.dtype == torch.float32


def test_inputs_are_cast_but_for_whole_numbers_and_switches(torch: Any, module: Callable[..., Any]) -> None:
    model = module(lambda self, *values, **named: [value.dtype for value in (*values, *named.values())])
    optimized = optimize(model, precision="bf16")

    came = optimized(torch.rand(2).double(), torch.arange(3), mask=torch.tensor([True]), scale=torch.rand(1))

    assert came == [torch.bfloat16, torch.int64, torch.bool, torch.bfloat16]


def test_inputs_are_moved_to_where_the_model_is(torch: Any, linear: Any) -> None:
    optimized = optimize(linear, device="meta")

    answer = optimized(torch.rand(3, 4))

    assert optimized.device == torch.device("meta")
    assert answer.device.type == linear[0].weight.device.type == "meta"
    assert answer.shape == (3, 2)
    assert "float32 on meta" in optimized.report


def test_a_model_without_weights_gets_its_inputs_as_they_are(torch: Any) -> None:
    optimized = optimize(torch.nn.Softmax(dim=0), precision="bf16")

    assert optimized(torch.zeros(2).double()).tolist() == [0.5, 0.5]
    assert "no floating point weights on cpu" in optimized.report


class Pair(NamedTuple):
    first: Any
    second: Any


def test_tensors_within_lists_tuples_and_dicts_are_reached_and_the_containers_kept(
    torch: Any, module: Callable[..., Any]
) -> None:
    def echo(self: Any, inputs: Any) -> Any:
        seen.extend([inputs["pair"].first.dtype, inputs["list"][0].dtype])
        return inputs

    seen: list[Any] = []
    inputs = {"pair": Pair(torch.rand(1), "word"), "list": [torch.rand(1), None], "shape": torch.Size([1, 2])}

    answer = optimize(module(echo), precision="bf16")(inputs)

    assert seen == [torch.bfloat16, torch.bfloat16]
    assert isinstance(answer["pair"], Pair)
    assert answer["pair"].first.dtype == answer["list"][0].dtype == torch.float32
    assert (answer["pair"].second, answer["list"][1]) == ("word", None)
    assert isinstance(answer["shape"], torch.Size)
    assert inputs["list"][0].dtype == torch.float32


def arrays() -> list[Any]:
    plain = numpy.arange(8.0).reshape(2, 4)
    locked = plain.copy()
    locked.flags.writeable = False
    return [plain, locked, plain[:, ::-1], plain.astype("float16"), numpy.asfortranarray(plain)]


@pytest.mark.parametrize("array", arrays(), ids=["double", "read-only", "reversed", "half", "by column"])
def test_arrays_are_taken_in_place_of_tensors(torch: Any, linear: Any, array: Any) -> None:
    answer = optimize(linear)(array)

    assert torch.equal(answer, linear(torch.tensor(array.astype("float32").tolist())))


def test_the_report_is_one_line_of_the_log(torch: Any, images: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOGGER):
        optimized = optimize(images, precision="bf16")

    message = "optimized Sequential: evaluation and inference mode; bfloat16 on cpu; channels last"
    assert caplog.messages == [message]
    assert message.endswith("; ".join(optimized.report))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"precision": "int8"}, "precision='int8' is not known; it can be one of 'auto', 'fp32'"),
        ({"channels_last": "yes"}, "channels_last='yes'"),
    ],
)
def test_an_argument_that_is_not_known_is_refused(linear: Any, arguments: Any, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        optimize(linear, **arguments)


def test_what_is_no_module_is_refused(torch: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"takes a torch\.nn\.Module, not builtin_function_or_method"
    ):
        optimize(len)  # type: ignore[arg-type]


def test_complex_weights_keep_their_imaginary_parts(torch: Any, linear: Any) -> None:
    linear.register_buffer("rotation", torch.tensor([1 + 2j]))

    with pytest.raises(ConfigurationError, match="complex"):
        optimize(linear, precision="bf16")
    optimize(linear)

    assert linear.rotation.tolist() == [1 + 2j]


@pytest.mark.parametrize(("has_bf16", "chosen"), [(True, "bfloat16"), (False, "float16")])
def test_a_gpu_gets_the_half_precision_that_it_supports(
    torch: Any, linear: Any, monkeypatch: pytest.MonkeyPatch, has_bf16: bool, chosen: str
) -> None:
    monkeypatch.setattr("aylien_model_serving.optimize._has_bf16", lambda torch_module, device: has_bf16)
    gpu = torch.device("cuda", 1)

    assert _choose_type(torch, linear, gpu, "auto") == getattr(torch, chosen)
    assert _choose_type(torch, linear, gpu, "fp32") == torch.float32
    assert _choose_type(torch, linear.double(), gpu, "auto") is None


def test_a_gpu_computes_in_half_precision_and_answers_in_float32(torch: Any, images: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    inputs = torch.rand(4, 3, 8, 8)
    expected = images.eval()(inputs).detach()

    optimized = optimize(images, device="cuda:0")
    answer = optimized(inputs)

    assert optimized.dtype in (torch.bfloat16, torch.float16)
    assert (answer.device.type, answer.dtype) == ("cuda", torch.float32)
    torch.testing.assert_close(answer.cpu(), expected, atol=0.05, rtol=0.05)


def without_torch(statement: str) -> subprocess.CompletedProcess[str]:
    """Run a statement in an interpreter in which torch can't be imported."""
    program = f"import sys; sys.modules['torch'] = None\n{statement}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


@pytest.mark.processes
def test_the_module_is_imported_without_torch_and_the_call_says_what_to_install() -> None:
    imported = without_torch("from aylien_model_serving.optimize import optimize")
    called = without_torch("from aylien_model_serving.optimize import optimize\noptimize(print)")

    assert imported.returncode == 0, imported.stderr
    assert "ImportError: optimize() needs PyTorch: pip install 'model-serving[torch]'" in called.stderr


def test_the_callable_has_a_type_of_its_own(torch: Any, linear: Any) -> None:
    optimized = optimize(linear)

    assert isinstance(optimized, Optimized)
    assert optimized.model is linear
