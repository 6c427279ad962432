"""The cases on BentoML: two workers, access log off; plain functions, and coroutines.

A worker holds the model and speaks HTTP, so there is one where one model is batched.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Annotated, Any

import bentoml
import numpy as np
from article_models import VERDICT, Echo, Enrichments, Verdict
from bentoml.validators import DType, TensorSchema
from numpy.typing import NDArray
from pydantic import BaseModel


class Floats(BaseModel):
    """An array of doubles."""

    values: Annotated[Any, TensorSchema("numpy-array", "float64")]


class Size(BaseModel):
    """The size of a file, in bytes."""

    size: int


BATCH_SIZE = 64
BATCH_SECONDS = 0.005
MODEL_SECONDS = 0.005
MODELS = 1 if os.environ["BENCH_CASE"] == "batched" else int(os.environ["BENCH_WORKERS"])

Array = Annotated[NDArray[np.float64], DType("float64")]
served = bentoml.service(workers=MODELS, logging={"access": {"enabled": False}})


@served
class SyncBench:
    """One plain API per case, at the path of its name: run on the worker's thread pool."""

    @bentoml.api
    def echo(self, text: str) -> Echo:
        """Return the request."""
        return Echo(text=text)

    @bentoml.api
    def validated(
        self,
        id: str = "",  # noqa: A002 - the field's name in the request
        title: str = "",
        body: str = "",
        enrichments: Enrichments | None = None,
    ) -> Verdict:
        """Return a constant verdict."""
        return Verdict.model_validate(VERDICT)

    @bentoml.api
    def floats(self, values: Array) -> Floats:
        """Double every value."""
        return Floats(values=values * 2)

    @bentoml.api
    def upload(self, image: Path) -> Size:
        """Return the size of a file."""
        return Size(size=len(image.read_bytes()))

    @bentoml.api(batchable=True, max_batch_size=BATCH_SIZE)
    def batched(self, texts: list[Echo]) -> list[Echo]:
        """Return batches unchanged, each after the same time."""
        time.sleep(BATCH_SECONDS)
        return texts


class Model:
    """Returns the request, after the same time."""

    @bentoml.api
    async def answer(self, text: str) -> str:
        """Return the request."""
        await asyncio.sleep(MODEL_SECONDS)
        return text


model = bentoml.service(workers=1, logging={"access": {"enabled": False}})
First, Second = (model(type(name, (Model,), {})) for name in ("First", "Second"))


@served
class AsyncBench:
    """The same as coroutines, which skip the thread pool; its models have processes of their own."""

    if os.environ["BENCH_CASE"] == "composed":
        first = bentoml.depends(First)
        second = bentoml.depends(Second)

    @bentoml.api
    async def composed(self, text: str) -> dict[str, str]:
        """Call both models at the same time."""
        of_first, of_second = await asyncio.gather(
            self.first.answer(text=text), self.second.answer(text=text)
        )
        return {"first": of_first, "second": of_second}

    @bentoml.api
    async def echo(self, text: str) -> Echo:
        """Return the request."""
        return Echo(text=text)

    @bentoml.api
    async def validated(
        self,
        id: str = "",  # noqa: A002 - the field's name in the request
        title: str = "",
        body: str = "",
        enrichments: Enrichments | None = None,
    ) -> Verdict:
        """Return a constant verdict."""
        return Verdict.model_validate(VERDICT)

    @bentoml.api
    async def floats(self, values: Array) -> Floats:
        """Double every value."""
        return Floats(values=values * 2)

    @bentoml.api
    async def upload(self, image: Path) -> Size:
        """Return the size of a file."""
        return Size(size=len(image.read_bytes()))
