"""Optimizes PyTorch models for inference: `optimize(model)` does what suits model and device, and reports it.

Public, and the implementation of `Service.optimize`. torch is imported by the call, so that importing this
module does not need it.
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

#: Values of `precision`, and torch's name of the type.
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}

#: Types to which inputs are cast; weights of any other type, such as float8, do not determine one.
_INPUT_DTYPES = {"float16", "bfloat16", "float32", "float64"}


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
        device: where it runs, as in "cuda:1"; where it is, if not given.
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
    torch_module = _import_torch()
    if not isinstance(model, torch_module.nn.Module):
        raise ConfigurationError(f"optimize() takes a torch.nn.Module, not {type(model).__name__}")
    if channels_last not in (True, False, "auto"):
        raise ConfigurationError(f"channels_last={channels_last!r} is neither True nor False nor 'auto'")
    target = torch_module.device(device) if device is not None else _device_of(torch_module, model)
    dtype = _choose_type(torch_module, model, target, precision)
    model.eval().to(device=device, dtype=dtype)
    optimized = Optimized(
        model,
        device=target,
        dtype=dtype or _input_type_of(torch_module, model),
        layouts=_choose_layouts(torch_module, model, channels_last),
        compiled=dict(compile) if isinstance(compile, Mapping) else {} if compile else None,
        float32_outputs=float32_outputs,
    )
    _log.info("optimized %s: %s", type(model).__name__, "; ".join(optimized.report))
    return optimized


class _Variant(NamedTuple):
    """A callable that runs the model, with its memory layout."""

    run: Callable[..., Any]
    is_compiled: bool
    channels_last: bool


class Optimized:
    """A model that is ready for inference; safe to call from several threads.

    Call it as the model is called. Tensors, or numpy arrays instead, are moved to the model's device
    and cast to its precision if they are floating point numbers. They may stand in lists, tuples and dicts.

    Args:
        model: the module, ready on its device.
        device: where inputs go.
        dtype: what inputs of floating point numbers are cast to; None leaves them.
        layouts: whether images have their channels last; two values are tried in turn until a call succeeds.
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
        self._failures: tuple[str, ...] = ()
        self._channels_are_last = False
        runs = self._callables(compiled)
        #: The fastest first. One that succeeds where those before it failed shows that they are the cause.
        self._variants = tuple(_Variant(run, run is not model, last) for last in layouts for run in runs)
        self._set_memory_format(self._variants[0])

    @property
    def report(self) -> tuple[str, ...]:
        """What was done to the model, in words, and what did not work, with its reason."""
        variant = self._variants[0]
        precision = str(self.dtype).removeprefix("torch.") if self.dtype else "no floating point weights"
        done = ["evaluation and inference mode", f"{precision} on {self.device}"]
        done += ["channels last"] * variant.channels_last + ["torch.compile"] * variant.is_compiled
        return (*done, *self._failures)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the model returns for these inputs."""
        if self._layout_is_undecided:
            # No other thread may run the model while the layout of its weights is converted.
            with self._lock:
                if self._layout_is_undecided:
                    return self._run_first_working(args, kwargs)
        return self._run_first_working(args, kwargs)

    @property
    def _layout_is_undecided(self) -> bool:
        return self._variants[0].channels_last != self._variants[-1].channels_last

    def _run_first_working(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        variants = self._variants
        failure: Exception | None = None
        for variant in variants:
            try:
                answer = self._run(variant, args, kwargs)
                break
            except self._torch.OutOfMemoryError:
                raise  # a second try would not show the cause
            except Exception as error:
                if variant is variants[-1]:
                    raise
                failure = failure or error
        if failure or self._layout_is_undecided:
            self._keep_variant(variants, variant, failure)
        return answer

    def _run(self, variant: _Variant, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._set_memory_format(variant)
        last = variant.channels_last
        with self._torch.inference_mode():
            fitted, named = _mapped(
                (args, kwargs), lambda value: self._prepare_input(value, channels_last=last)
            )
            answer = variant.run(*fitted, **named)
            return _mapped(answer, self._restore_output) if self._float32_outputs else answer

    def _prepare_input(self, value: Any, *, channels_last: bool) -> Any:
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

    def _restore_output(self, value: Any) -> Any:
        halves = (self._torch.bfloat16, self._torch.float16)
        return value.float() if isinstance(value, self._torch.Tensor) and value.dtype in halves else value

    def _callables(self, compiled: dict[str, Any] | None) -> list[Callable[..., Any]]:
        if compiled is None:
            return [self.model]
        try:
            return [self._torch.compile(self.model, **compiled), self.model]
        except RuntimeError as failure:
            self._note_failure("not compiled", failure)
            return [self.model]

    def _set_memory_format(self, variant: _Variant) -> None:
        """Convert the layout of the convolutions' weights, unless it is the variant's already."""
        if variant.channels_last == self._channels_are_last:
            return
        format_ = self._torch.channels_last if variant.channels_last else self._torch.contiguous_format
        # The caller may be in inference mode, whose tensors can't be used as weights outside of it.
        with self._torch.inference_mode(False):
            self._torch.nn.utils.convert_conv2d_weight_memory_format(self.model, format_)
        self._channels_are_last = variant.channels_last

    def _keep_variant(
        self, variants: Sequence[_Variant], variant: _Variant, failure: Exception | None
    ) -> None:
        """Keep the variant that has succeeded, and those after it with the same layout."""
        with self._lock:
            if self._variants is not variants:
                return  # another thread was first
            kept = variants[variants.index(variant) :]
            self._variants = tuple(other for other in kept if other.channels_last == variant.channels_last)
            if failure and not variant.channels_last and variants[0].channels_last:
                self._note_failure("channels not last", failure)
            if failure and not variant.is_compiled and variants[0].is_compiled:
                self._note_failure("not compiled", failure)

    def _note_failure(self, what: str, failure: Exception) -> None:
        [line, *_] = str(failure).splitlines() or [""]
        reason = f"{what}: {type(failure).__name__}: {line}"
        self._failures += (reason,)
        _log.warning("%s runs on with %s", type(self.model).__name__, reason, exc_info=failure)


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        message = "optimize() needs PyTorch: pip install 'model-serving[torch]'"
        raise ImportError(message, name="torch") from error
    return torch


def _tensors(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    return chain(model.parameters(), model.buffers())


def _device_of(torch_module: Any, model: torch.nn.Module) -> torch.device:
    return next((tensor.device for tensor in _tensors(model)), torch_module.device("cpu"))


def _input_type_of(torch_module: Any, model: torch.nn.Module) -> torch.dtype | None:
    wanted = {getattr(torch_module, name) for name in _INPUT_DTYPES}
    return next((tensor.dtype for tensor in _tensors(model) if tensor.dtype in wanted), None)


def _choose_type(
    torch_module: Any, model: torch.nn.Module, device: torch.device, wanted: str
) -> torch.dtype | None:
    """Return the type to cast a model to; None leaves it as it is."""
    if wanted not in ("auto", *_DTYPES):
        known = ", ".join(map(repr, ("auto", *_DTYPES)))
        raise ConfigurationError(f"precision={wanted!r} is not known; it can be one of {known}")
    kinds = {tensor.dtype for tensor in _tensors(model) if tensor.is_floating_point() or tensor.is_complex()}
    if wanted != "auto":
        if any(kind.is_complex for kind in kinds):
            # Module.to() would cast them too, and lose their imaginary parts.
            raise ConfigurationError(f"precision={wanted!r} does not suit a model with complex numbers")
        return getattr(torch_module, _DTYPES[wanted]) if kinds else None
    if device.type != "cuda" or kinds != {torch_module.float32}:
        return None
    return torch_module.bfloat16 if _has_bf16(torch_module, device) else torch_module.float16


def _has_bf16(torch_module: Any, device: torch.device) -> bool:
    """Return whether a GPU supports bf16 in hardware; older ones emulate it, slower than float32."""
    with torch_module.cuda.device(device):
        return bool(torch_module.cuda.is_bf16_supported(including_emulation=False))


def _choose_layouts(torch_module: Any, model: torch.nn.Module, channels_last: bool | str) -> list[bool]:
    """Return whether channels are last, in the order in which the values are tried."""
    if channels_last != "auto":
        return [bool(channels_last)]
    convolutions = (torch_module.nn.Conv2d, torch_module.nn.ConvTranspose2d)
    return [True, False] if any(isinstance(module, convolutions) for module in model.modules()) else [False]


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value of the same type with the items of its lists, tuples and dicts changed."""
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
