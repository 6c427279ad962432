"""Files as libraries want them: a parameter or a result that is a `PIL.Image.Image` or a `pathlib.Path`.

A client's file is checked as a file of `media/`. It is opened where the handler runs, on its thread, and the
file of a path is gone when the call has ended. There a tensor is put on the handler's device, too.
"""

from __future__ import annotations

import asyncio
import stat
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path
from types import AsyncGeneratorType, GeneratorType
from typing import Any, NamedTuple

from aylien_model_serving.background.tasks import TaskResponse
from aylien_model_serving.errors import InvalidAnswer
from aylien_model_serving.handlers import callables
from aylien_model_serving.handlers.context import wrapped_like
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.media import images
from aylien_model_serving.media.call_folders import CallFolder, FileForPath
from aylien_model_serving.media.files import MediaFile
from aylien_model_serving.media.images import ImageFile
from aylien_model_serving.schemas import tensors
from aylien_model_serving.schemas.handler_hints import hints_of
from aylien_model_serving.schemas.hint_parts import parts_of, replaced

#: The device on which values are made.
CPU = "cpu"


def with_files(hint: Any) -> Any:
    """Return a hint with a class of files for each type that is opened, but for those of a class's fields."""
    of_pydantic = any(type(extra).__name__ == "PathType" for part in parts_of(hint) for extra in part.extras)
    return hint if of_pydantic else replaced(hint, _file_for)


def _file_for(kind: Any) -> Any:
    if kind is Path:
        return FileForPath
    return ImageFile if images.is_picture_type(kind) else kind


def opened_for(handler: Callable[..., Any], device: str = CPU) -> Callable[..., Any]:
    """Return a handler that takes and returns files of `media/` for one of paths or pictures.

    Args:
        handler: the callable; is returned as it is where its hints name nothing that is opened.
        device: where its tensors are to be.
    """
    hints = hints_of(handler).found
    named = {name: with_files(hint) for name, hint in hints.items()}
    kinds = {name for name in named if named[name] is not hints[name]}
    if device != CPU:
        kinds |= {name for name, hint in hints.items() if _names_tensor(hint)}
    if not kinds:
        return handler
    opening = _Opening(
        handler, Signature.of(handler).positional, frozenset(kinds - {"return"}), "return" in kinds, device
    )
    target = opening.call_async if callables.is_async(handler) else opening.call

    def call(*positional: Any, **fields: Any) -> Any:
        return target(*positional, **fields)

    return wrapped_like(call, handler)


def _names_tensor(hint: Any) -> bool:
    return any(tensors.is_tensor(part.hint) for part in parts_of(hint))


class _Opening(NamedTuple):
    """Calls a handler with opened files.

    Args:
        handler: the callable.
        positional: names of its parameters that are given by position.
        names: of the parameters that are opened, alone or nested.
        answers: whether its results hold files of these types.
        device: where its tensors are to be.
    """

    handler: Callable[..., Any]
    positional: tuple[str, ...]
    names: frozenset[str]
    answers: bool
    device: str

    def call(self, *positional: Any, **fields: Any) -> Any:
        folder = CallFolder()
        try:
            result = self.handler(*self._positional(folder, positional), **self._opened(folder, fields))
            if isinstance(result, (GeneratorType, AsyncGeneratorType)):
                return self._stream(folder, result)
            answer = self._answer(result)
        except BaseException:
            folder.remove()
            raise
        folder.remove()
        return answer

    async def call_async(self, *positional: Any, **fields: Any) -> Any:
        folder = CallFolder()
        try:
            given = await asyncio.to_thread(self._positional, folder, positional)
            opened = await asyncio.to_thread(self._opened, folder, fields)
            result = await self.handler(*given, **opened)
            return await asyncio.to_thread(self._answer, result) if self.answers else result
        finally:
            folder.remove()

    def _positional(self, folder: CallFolder, given: tuple[Any, ...]) -> list[Any]:
        fields = dict(zip(self.positional, given, strict=False))
        return list(self._opened(folder, fields).values())

    def _opened(self, folder: CallFolder, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: _replaced(value, partial(self._open, folder)) if name in self.names else value
            for name, value in fields.items()
        }

    def _open(self, folder: CallFolder, value: Any) -> Any:
        if isinstance(value, FileForPath):
            return folder.path_of(value)
        if isinstance(value, ImageFile):
            return value.to_image()
        return value.to(self.device) if tensors.is_tensor(type(value)) else value

    def _answer(self, result: Any) -> Any:
        if not self.answers:
            return result
        if isinstance(result, TaskResponse):
            result.result = _replaced(result.result, _file_of)
            return result
        return _replaced(result, _file_of)

    def _stream(self, folder: CallFolder, items: Any) -> Any:
        """Return a stream whose end, or whose going unread, is that of the folder."""
        is_async = isinstance(items, AsyncGeneratorType)
        stream = self._items_async(folder, items) if is_async else self._items(folder, items)
        weakref.finalize(stream, folder.remove)
        return stream

    def _items(self, folder: CallFolder, items: Generator[Any, None, None]) -> Generator[Any, None, None]:
        try:
            for item in items:
                yield self._answer(item)
        finally:
            items.close()
            folder.remove()

    async def _items_async(
        self, folder: CallFolder, items: AsyncGenerator[Any, None]
    ) -> AsyncGenerator[Any, None]:
        try:
            async with aclosing(items):
                async for item in items:
                    yield self._answer(item)
        finally:
            folder.remove()


def _replaced(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return a value with another for each file within its lists and dicts."""
    if isinstance(value, dict):
        return {name: _replaced(item, replace) for name, item in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(_replaced(item, replace) for item in value)
    return replace(value)


def _file_of(value: Any) -> Any:
    """Return the file that a result stands for.

    Raises:
        InvalidAnswer: it is a path, and there is no file.
    """
    if isinstance(value, Path):
        return _read(value)
    return images.file_of(value)


def _read(path: Path) -> MediaFile:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidAnswer(f"The answer is the path of what is no file: {path}")
        file = MediaFile.from_file(path)
    except OSError as error:
        raise InvalidAnswer(f"The answer is the path of a file that can't be read: {error}") from error
    return ImageFile.from_any(file) if file.content_type in ImageFile.decoded else file
