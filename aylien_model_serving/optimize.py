"""Makes a PyTorch model quick to ask: `optimize(model)` does what suits model and device, and tells what.

A side door for users, and for `Service.optimize`. torch is imported by the call, so that the file alone does
without it.
"""

from __future__ import annotations

import copy
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from aylien_model_serving.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

__all__ = ["Optimized", "optimize"]

_log = logging.getLogger(__name__)

#: What `precision` may say, and the type of torch that it stands for.
_TYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}

#: Types to which inputs are cast; weights of any other type, such as float8, say nothing about inputs.
_INPUT_TYPES = {"float16", "bfloat16", "float32", "float64"}


def optimize(
    model: torch.nn.Module,
    *,
    device: str | torch.device | None = None,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    channels_last: bool | Literal["auto"] = "auto",
    compile: bool | Mapping[str, Any] = False,  # noqa: A002  # as torch calls it
    float32_outputs: bool = True,
) -> Optimized:
    """Return a callable that runs a model for inference; the model itself is moved and cast.

    Args:
        model: any module.
        device: where it shall run, as in "cuda:1"; where it is, if not given.
        precision: the type of weights and inputs. "auto" halves float32 on a GPU, to bf16 if the GPU has it,
            else to fp16, and leaves everything else as it is.
        channels_last: whether images are laid out as NHWC, which two-dimensional convolutions prefer. "auto"
            does so if there are any, and undoes it if the first call shows that the model can't.
        compile: whether to use `torch.compile`, or its options, as in {"mode": "max-autotune"}. A model that
            fails compiled and succeeds as it is runs as it is from then on.
        float32_outputs: whether outputs in half precision are returned as float32.

    Raises:
        ImportError: torch is not installed.
        ConfigurationError: an argument is not one of the above, or does not suit the model.
    """
    found = _import_torch()
    if not isinstance(model, found.nn.Module):
        raise ConfigurationError(f"optimize() takes a torch.nn.Module, not {type(model).__name__}")
    if channels_last not in (True, False, "auto"):
        raise ConfigurationError(f"channels_last={channels_last!r} is neither True nor False nor 'auto'")
    target = found.device(device) if device is not None else _device_of(found, model)
    dtype = _choose_type(found, model, target, precision)
    model.eval().to(device=device, dtype=dtype)
    optimized = Optimized(
        model,
        device=target,
        dtype=dtype or _input_type_of(found, model),
        layouts=_choose_layouts(found, model, channels_last),
        compiled=dict(compile) if isinstance(compile, Mapping) else {} if compile else None,
        float32_outputs=float32_outputs,
    )
    _log.info("optimized %s: %s", type(model).__name__, "; ".join(optimized.report))
    return optimized


class _Way(NamedTuple):
    """One way to run a model."""

    run: Callable[..., Any]
    is_compiled: bool
    channels_last: bool


class Optimized:
    """A model with everything around it that a call needs; safe to call from several threads.

    Call it as the model is called. Tensors, or numpy's arrays instead, are moved to the model's device
    and cast to its precision if they are floating point numbers. They may stand in lists, tuples and dicts.

    Args:
        model: the module, ready on its device.
        device: where inputs go.
        dtype: what inputs of floating point numbers are cast to; None leaves them.
        layouts: whether images have their channels last; two answers are tried in turn until a call succeeds.
        compiled: the options of `torch.compile`; None does without.
        float32_outputs: whether outputs in half precision are returned as float32.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        device: torch.device,
        dtype: torch.dtype | None,
        layouts: Sequence[bool],
        compiled: dict[str, Any] | None,
        float32_outputs: bool,
    ) -> None:
        self.model = model
        self.device = device
        self.dtype = dtype
        self._torch = _import_torch()
        self._float32_outputs = float32_outputs
        self._lock = threading.RLock()
        self._given_up: tuple[str, ...] = ()
        self._weights_are_last = False
        runs = self._runs(compiled)
        #: The quickest first. One that succeeds where those before it failed shows that they are to blame.
        self._ways = tuple(_Way(run, run is not model, last) for last in layouts for run in runs)
        self._lay_out(self._ways[0])

    @property
    def report(self) -> tuple[str, ...]:
        """What was done to the model, in words; what turned out not to work is told with its reason."""
        way = self._ways[0]
        precision = str(self.dtype).removeprefix("torch.") if self.dtype else "no floating point weights"
        done = ["evaluation and inference mode", f"{precision} on {self.device}"]
        done += ["channels last"] * way.channels_last + ["torch.compile"] * way.is_compiled
        return (*done, *self._given_up)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the model returns for these inputs."""
        if self._layout_is_open:
            # Weights are no weights while they are turned: nobody else may run the model meanwhile.
            with self._lock:
                if self._layout_is_open:
                    return self._try(args, kwargs)
        return self._try(args, kwargs)

    @property
    def _layout_is_open(self) -> bool:
        return self._ways[0].channels_last != self._ways[-1].channels_last

    def _try(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        ways = self._ways
        failure: Exception | None = None
        for way in ways:
            try:
                answer = self._run(way, args, kwargs)
                break
            except self._torch.OutOfMemoryError:
                raise  # a second try would not tell who is to blame
            except Exception as error:
                if way is ways[-1]:
                    raise
                failure = failure or error
        if failure or self._layout_is_open:
            self._settle(ways, way, failure)
        return answer

    def _run(self, way: _Way, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._lay_out(way)
        last = way.channels_last
        with self._torch.inference_mode():
            fitted, named = _mapped((args, kwargs), lambda value: self._fit(value, channels_last=last))
            answer = way.run(*fitted, **named)
            return _mapped(answer, self._restore) if self._float32_outputs else answer

    def _fit(self, value: Any, *, channels_last: bool) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.ndarray):
            # torch takes neither read-only memory, as received arrays are, nor negative strides.
            value = self._torch.from_numpy(value.copy())
        if not isinstance(value, self._torch.Tensor):
            return value
        if not value.is_floating_point():
            return value.to(self.device)
        format_ = "channels_last" if channels_last and value.dim() == 4 else "preserve_format"
        return value.to(device=self.device, dtype=self.dtype, memory_format=getattr(self._torch, format_))

    def _restore(self, value: Any) -> Any:
        halves = (self._torch.bfloat16, self._torch.float16)
        return value.float() if isinstance(value, self._torch.Tensor) and value.dtype in halves else value

    def _runs(self, compiled: dict[str, Any] | None) -> list[Callable[..., Any]]:
        if compiled is None:
            return [self.model]
        try:
            return [self._torch.compile(self.model, **compiled), self.model]
        except RuntimeError as failure:
            self._give_up("not compiled", failure)
            return [self.model]

    def _lay_out(self, way: _Way) -> None:
        """Turn the convolutions' weights, unless they are laid out already as the way wants them."""
        if way.channels_last == self._weights_are_last:
            return
        format_ = self._torch.channels_last if way.channels_last else self._torch.contiguous_format
        # A caller may be in inference mode already, whose tensors are no weights to anybody outside of it.
        with self._torch.inference_mode(False):
            self._torch.nn.utils.convert_conv2d_weight_memory_format(self.model, format_)
        self._weights_are_last = way.channels_last

    def _settle(self, ways: Sequence[_Way], way: _Way, failure: Exception | None) -> None:
        """Keep the way that has succeeded, and those behind it that need no other layout."""
        with self._lock:
            if self._ways is not ways:
                return  # another thread was first
            kept = ways[ways.index(way) :]
            self._ways = tuple(other for other in kept if other.channels_last == way.channels_last)
            if failure and not way.channels_last and ways[0].channels_last:
                self._give_up("channels not last", failure)
            if failure and not way.is_compiled and ways[0].is_compiled:
                self._give_up("not compiled", failure)

    def _give_up(self, what: str, failure: Exception) -> None:
        [line, *_] = str(failure).splitlines() or [""]
        reason = f"{what}: {type(failure).__name__}: {line}"
        self._given_up += (reason,)
        _log.warning("%s runs on with %s", type(self.model).__name__, reason, exc_info=failure)


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        cure = "optimize() needs PyTorch: pip install 'model-serving[torch]'"
        raise ImportError(cure, name="torch") from error
    return torch


def _tensors(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    return chain(model.parameters(), model.buffers())


def _device_of(found: Any, model: torch.nn.Module) -> torch.device:
    return next((tensor.device for tensor in _tensors(model)), found.device("cpu"))


def _input_type_of(found: Any, model: torch.nn.Module) -> torch.dtype | None:
    wanted = {getattr(found, name) for name in _INPUT_TYPES}
    return next((tensor.dtype for tensor in _tensors(model) if tensor.dtype in wanted), None)


def _choose_type(found: Any, model: torch.nn.Module, device: torch.device, wanted: str) -> torch.dtype | None:
    """Return the type to cast a model to; None leaves it as it is."""
    if wanted not in ("auto", *_TYPES):
        known = ", ".join(map(repr, ("auto", *_TYPES)))
        raise ConfigurationError(f"precision={wanted!r} is not known; it can be one of {known}")
    kinds = {tensor.dtype for tensor in _tensors(model) if tensor.is_floating_point() or tensor.is_complex()}
    if wanted != "auto":
        if any(kind.is_complex for kind in kinds):
            # Module.to() would cast them too, and lose their imaginary parts.
            raise ConfigurationError(f"precision={wanted!r} does not suit a model with complex numbers")
        return getattr(found, _TYPES[wanted]) if kinds else None
    if device.type != "cuda" or kinds != {found.float32}:
        return None
    return found.bfloat16 if _has_bf16(found, device) else found.float16


def _has_bf16(found: Any, device: torch.device) -> bool:
    """Tell whether a GPU computes in bf16 itself; older ones emulate it, slower than float32."""
    with found.cuda.device(device):
        return bool(found.cuda.is_bf16_supported(including_emulation=False))


def _choose_layouts(found: Any, model: torch.nn.Module, channels_last: bool | str) -> list[bool]:
    """Return whether channels are last: what to try first, and what if that fails."""
    if channels_last != "auto":
        return [bool(channels_last)]
    convolutions = (found.nn.Conv2d, found.nn.ConvTranspose2d)
    return [True, False] if any(isinstance(module, convolutions) for module in model.modules()) else [False]


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value with what is in its lists, tuples and dicts changed, and of the same type."""
    if isinstance(value, dict):
        # An item at a time into a copy: a subclass may keep its items as attributes too.
        changed = copy.copy(value)
        for key, item in value.items():
            changed[key] = _mapped(item, change)
        return changed
    if isinstance(value, (list, tuple)):
        items = [_mapped(item, change) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return change(value)
