"""What the client for asyncio does otherwise than the blocking one, in classes as in `_sync/bases.py`.

An attribute can't be awaited: it shows what the client knows already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aylien_model_serving.client._async.driver import AsyncDriver
from aylien_model_serving.client.errors import ClientError
from aylien_model_serving.client.job_base import JobAttributes
from aylien_model_serving.client.methods import completion_names
from aylien_model_serving.client.openapi import Document, Operation
from aylien_model_serving.client.operations import ClientCore

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncClientBase:
    """Knows the routes once the service's description has been read."""

    _core: ClientCore
    _driver: AsyncDriver

    async def __aenter__(self) -> Self:
        await self._driver.run(self._core.document())
        return self

    def __dir__(self) -> list[str]:
        return completion_names(self._core.document_cache.document, list(super().__dir__()))

    def _document(self) -> Document:
        """Return the service's description.

        Raises:
            ClientError: it has not been read.
        """
        document = self._core.document_cache.document
        if document is None:
            raise ClientError("The routes are not known yet: use `async with`, or `await client.refresh()`")
        return document

    def _known_operation(self, name: str) -> Operation | None:
        """Return the operation of a name; None where the service's description has not been read.

        Raises:
            UnknownRoute: there is none.
        """
        document = self._core.document_cache.document
        return None if document is None else document.find(name)


class AsyncJobBase(JobAttributes):
    """Shows the state that the service reported last."""


class AsyncStreamBase:
    """Is closed by its caller alone: a finalizer can't await."""
