"""The cases on BentoML: two workers, access log off; plain functions, and coroutines."""

import os
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


Array = Annotated[NDArray[np.float64], DType("float64")]
served = bentoml.service(workers=int(os.environ["BENCH_WORKERS"]), logging={"access": {"enabled": False}})


@served
class SyncBench:
    """One plain API per case, at the path of its name: run on the worker's thread pool."""

    @bentoml.api
    def echo(self, text: str) -> Echo:
        """Answer what came."""
        return Echo(text=text)

    @bentoml.api
    def validated(
        self,
        id: str = "",  # noqa: A002 - the field's name in the request
        title: str = "",
        body: str = "",
        enrichments: Enrichments | None = None,
    ) -> Verdict:
        """Answer a constant verdict."""
        return Verdict.model_validate(VERDICT)

    @bentoml.api
    def floats(self, values: Array) -> Floats:
        """Double every value."""
        return Floats(values=values * 2)

    @bentoml.api
    def upload(self, image: Path) -> Size:
        """Tell the size of a file."""
        return Size(size=len(image.read_bytes()))


@served
class AsyncBench:
    """The same as coroutines, which skip the thread pool."""

    @bentoml.api
    async def echo(self, text: str) -> Echo:
        """Answer what came."""
        return Echo(text=text)

    @bentoml.api
    async def validated(
        self,
        id: str = "",  # noqa: A002 - the field's name in the request
        title: str = "",
        body: str = "",
        enrichments: Enrichments | None = None,
    ) -> Verdict:
        """Answer a constant verdict."""
        return Verdict.model_validate(VERDICT)

    @bentoml.api
    async def floats(self, values: Array) -> Floats:
        """Double every value."""
        return Floats(values=values * 2)

    @bentoml.api
    async def upload(self, image: Path) -> Size:
        """Tell the size of a file."""
        return Size(size=len(image.read_bytes()))
