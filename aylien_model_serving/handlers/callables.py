"""What kind of callable a route names: a Flask view, a bare handler, or a class to build one from.

Pure: inspects signatures and code, and calls nothing but a class's constructor and a service's init.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from types import CodeType, FunctionType
from typing import Any

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.context import DEVICE, UNBOUND, ContextBinding
from aylien_model_serving.handlers.signatures import Signature

_VIEW_HELPER = "process_json"

#: The device of what is built without one.
_DEFAULT_DEVICE = "cpu"


def name_of(target: Any) -> str:
    """Return the name that a route gets from its callable."""
    if isinstance(target, functools.partial):
        inner = target.args[0] if target.args and callable(target.args[0]) else target.func
        return name_of(inner)
    name = getattr(target, "__name__", None) or type(target).__name__
    return str(name).strip("<>")


def build(target: Any, binding: ContextBinding = UNBOUND) -> Callable[..., Any]:
    """Return the callable that answers calls: an instance for a class, anything else as it is.

    Args:
        target: the class or the callable.
        binding: what it gets in addition to the fields of calls.

    Raises:
        ConfigurationError: the class can't be built without arguments, or its instances can't be called.
    """
    if not inspect.isclass(target) and not callable(target):
        raise ConfigurationError(f"{target!r} can't be called")
    if inspect.isclass(target) and not _instances_are_callable(target):
        raise _not_callable(target)
    binding.prepare(_DEFAULT_DEVICE)
    if not inspect.isclass(target):
        return binding.bind(target)
    given = binding.init(target, ())
    missing = Signature.of(target).required - given.keys()
    if missing:
        needed = ", ".join(sorted(missing))
        raise ConfigurationError(
            f"the class {target.__name__} needs {needed} to be built: pass an instance instead"
        )
    return binding.bind(target(**given))


def build_with(
    target: Any, init: Mapping[str, Any], device: str, binding: ContextBinding = UNBOUND
) -> Callable[..., Any]:
    """Return the callable that answers calls: a class is built.

    Args:
        target: the class, or the callable, which is returned as it is.
        init: keyword arguments of the class.
        device: value of its argument `device`, unless `init` has one.
        binding: what it gets in addition to the fields of calls.
    """
    binding.prepare(device)
    if not inspect.isclass(target):
        return build(target, binding)
    wants_device = DEVICE in Signature.of(target).known and DEVICE not in init
    given = {DEVICE: device} if wants_device else {}
    return binding.bind(build(target(**init, **given, **binding.init(target, init))))


def build_placeholder(
    target: Any, given: Collection[str], binding: ContextBinding = UNBOUND
) -> Callable[..., Any]:
    """Return a placeholder, with signature and type hints, for what another process builds of a class.

    Args:
        target: the class, or a function, which is returned as it is.
        given: names of the keyword arguments that the class will be built with.
        binding: what it will get in addition to the fields of calls.

    Raises:
        ConfigurationError: the class can't be built with these, or its instances can't be called.
    """
    if not inspect.isclass(target):
        if given:
            raise ConfigurationError("key 'init' has no effect on what is no class")
        if not callable(target):
            raise ConfigurationError(f"{target!r} can't be called")
        return binding.bind(target)
    if not _instances_are_callable(target):
        raise _not_callable(target)
    signature = Signature.of(target)
    missing = signature.required - set(given) - {DEVICE} - binding.init(target, given).keys()
    if missing:
        raise ConfigurationError(
            f"the class {target.__name__} needs {', '.join(sorted(missing))} to be built: "
            "name the values in {'init': {…}}"
        )
    stray = () if signature.open else set(given) - set(signature.known)
    if stray:
        raise ConfigurationError(f"key 'init': the class {target.__name__} takes no {min(stray)!r}")
    uninitialized: Any = object.__new__(target)
    return binding.bind(uninitialized)


def _not_callable(target: type) -> ConfigurationError:
    """Return the error for a class without a call, which says how to give it one by what it has."""
    cure = "give it a __call__"
    if hasattr(target, "predict"):
        cure += ", in one line: __call__ = predict"
        loads = next((name for name in ("setup", "load", "load_context") if hasattr(target, name)), None)
        cure += f", and call self.{loads}() in its __init__" if loads else ""
    return ConfigurationError(f"instances of the class {target.__name__} can't be called: {cure}")


def _instances_are_callable(target: type) -> bool:
    return any("__call__" in kind.__dict__ for kind in target.__mro__)


def is_view(target: Any, path_names: frozenset[str]) -> bool:
    """Return whether Flask itself should call this: it takes nothing but what Flask passes to a view.

    A function that calls `process_json`, or takes no argument beyond the path's values, is a view. A
    coroutine function is a handler, which needs no further package to be awaited.
    """
    if inspect.isclass(target):
        return False
    if calls_process_json(target):
        return True
    if not (inspect.isroutine(target) or isinstance(target, functools.partial)) or is_async(target):
        return False
    signature = Signature.of(target)
    return not signature.open and set(signature.known) <= path_names


def calls_process_json(target: Any) -> bool:
    """Return whether a callable is, wraps, or mentions in its own code `process_json`."""
    if isinstance(target, functools.partial):
        return getattr(target.func, "__name__", "") == _VIEW_HELPER or calls_process_json(target.func)
    code = getattr(inspect.unwrap(target), "__code__", None)
    return code is not None and _mentions(code)


def _mentions(code: CodeType) -> bool:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return _VIEW_HELPER in code.co_names or _VIEW_HELPER in code.co_freevars or any(map(_mentions, inner))


def identity(target: Any) -> str:
    """Return what identifies a callable across processes: its module and qualified name."""
    kind = _named(target)
    return f"{kind.__module__}.{kind.__qualname__}"


def lend_name(target: Any, function: FunctionType) -> None:
    """Give a function the module and name of the callable that it stands for, as monitoring reports them."""
    kind = _named(target)
    function.__module__, function.__qualname__ = kind.__module__, kind.__qualname__
    function.__name__ = name_of(target)


def _named(target: Any) -> Any:
    """Return what has a module and a qualified name: the callable, what a partial calls, or its class."""
    inner = target.func if isinstance(target, functools.partial) else target
    return inner if hasattr(inner, "__qualname__") else type(inner)


def is_generator(target: Any) -> bool:
    """Return whether calling this makes a generator, an async one included."""
    if isinstance(target, functools.partial):
        return is_generator(target.func)
    target = inspect.unwrap(target)
    called = target if inspect.isroutine(target) else type(target).__call__
    return inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called)


def is_async(target: Any) -> bool:
    """Return whether calling this makes a coroutine."""
    called = target if inspect.isroutine(target) else type(target).__call__
    return inspect.iscoroutinefunction(called)
