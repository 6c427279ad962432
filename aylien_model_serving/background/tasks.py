"""Background tasks: functions that a handler wants to have called once its response has been sent.

Pure. Describes the tasks and the response that they belong to; `background.pool` runs them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_origin

from aylien_model_serving.handlers import callables

_T = TypeVar("_T")

if TYPE_CHECKING:
    from typing_extensions import TypeVar as _TypeVarWithDefault

    _Tasks = _TypeVarWithDefault("_Tasks", default=Any)
else:
    _Tasks = TypeVar("_Tasks")

Task = Callable[[], Any]


class BackgroundTask:
    """One function to call after the response; a coroutine function is awaited.

    Args:
        fn: the function.
        args: its positional arguments.
        kwargs: its keyword arguments.

    Raises:
        TypeError: it can't be called.
    """

    def __init__(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        if not callable(fn):
            raise TypeError(f"a background task has to be callable, not {fn!r}")
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.__name__ = callables.name_of(fn)

    def __call__(self) -> Any:
        """Call the function and return what it returns."""
        return self.fn(*self.args, **self.kwargs)

    def __repr__(self) -> str:
        return f"BackgroundTask({self.__name__})"


class BackgroundTasks:
    """Tasks that run one after the other, in the order in which they were added.

    Args:
        tasks: the first of them.
    """

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self._tasks = list(tasks)

    def add_task(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Add a function with its arguments, or a ready `BackgroundTask`, after the others.

        Raises:
            TypeError: it can't be called.
        """
        self._tasks.append(fn if isinstance(fn, BackgroundTask) else BackgroundTask(fn, *args, **kwargs))

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)


class TaskResponse(Generic[_T, _Tasks]):
    """A handler's result, and the tasks to run after the response has been sent.

    As a hint, `TaskResponse[dict]` names the result; `TaskResponse[dict, BackgroundTask]` means the same.

    Args:
        res: what the handler would return without tasks.
        background: a task, several of them, or any callable that takes no arguments.

    Raises:
        TypeError: the result is a generator or another iterator, or a task can't be called.
    """

    def __init__(self, res: _T, background: Task | BackgroundTasks) -> None:
        if isinstance(res, (Iterator, AsyncIterator)):
            raise TypeError("a stream has no background tasks: do at its generator's end what is to follow")
        self.result = res
        self.tasks = tuple(background) if isinstance(background, BackgroundTasks) else (background,)
        for task in self.tasks:
            if not callable(task):
                raise TypeError(f"a background task has to be callable, not {task!r}")

    def __class_getitem__(cls, hints: Any) -> Any:
        both = hints if isinstance(hints, tuple) else (hints, Any)
        return super().__class_getitem__(both)  # type: ignore[misc]  # of Generic


def without_tasks(result: Any) -> Any:
    """Return the result of a handler without its background tasks."""
    return result.result if isinstance(result, TaskResponse) else result


def hint_without_tasks(hint: Any) -> Any:
    """Return the type hint of the result alone: `dict` for `TaskResponse[dict]`."""
    if hint is TaskResponse:
        return None
    return get_args(hint)[0] if get_origin(hint) is TaskResponse else hint
