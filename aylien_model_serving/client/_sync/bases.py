"""What the blocking client does otherwise than that for asyncio, in classes as in `_async/bases.py`.

An attribute may ask the service: it shows what is so now.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aylien_model_serving.client._sync.body import BodyReader
from aylien_model_serving.client._sync.driver import Driver
from aylien_model_serving.client.errors import ClientError
from aylien_model_serving.client.job_base import JobAttributes
from aylien_model_serving.client.jobs import JobState
from aylien_model_serving.client.methods import completion_names
from aylien_model_serving.client.openapi import Document, Operation
from aylien_model_serving.client.operations import ClientCore
from aylien_model_serving.errors import ServingError

if TYPE_CHECKING:
    from typing_extensions import Self

#: Seconds for which a job's state is taken as it was.
_FRESH_SECONDS = 0.5


class ClientBase:
    """Reads the service's description when a route is first needed."""

    _core: ClientCore
    _driver: Driver

    def __enter__(self) -> Self:
        return self

    def __dir__(self) -> list[str]:
        try:
            document = self._document()
        except (ClientError, ServingError):
            document = None
        return completion_names(document, list(super().__dir__()))

    def _document(self) -> Document:
        document: Document = self._driver.run(self._core.document())
        return document

    def _known_operation(self, name: str) -> Operation | None:
        return self._document().find(name)


class JobBase(JobAttributes):
    """Shows a state of half a second ago at most."""

    def _update(self, state: JobState) -> None:
        super()._update(state)
        self._updated_at = time.monotonic()

    def look(self) -> JobState:
        """Return how it is, at most half a second ago."""
        if not self._state.has_ended and time.monotonic() - self._updated_at > _FRESH_SECONDS:
            self.refresh()
        return self._state

    def _latest(self) -> JobState:
        return self.look()

    def refresh(self) -> JobState:
        raise NotImplementedError


class StreamBase:
    """Gives its connection back when it is collected as garbage, or that would be in use for ever."""

    _reader: BodyReader

    def __del__(self) -> None:
        self._reader.close()
