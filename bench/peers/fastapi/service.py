"""The cases on FastAPI: `sync_app` has plain functions (run on its thread pool), `async_app` coroutines."""

from typing import Annotated

import numpy as np
from article_models import VERDICT, Article, Echo, Floats, Verdict
from fastapi import Depends, FastAPI, Request, Response, UploadFile


async def raw_body(request: Request) -> bytes:
    """The body, for functions that may not await it themselves."""
    return await request.body()


def _verdict(article: Article) -> dict[str, object]:
    return VERDICT


def _doubled(floats: Floats) -> dict[str, list[float]]:
    return {"values": (np.asarray(floats.values) * 2).tolist()}


def _doubled_bytes(body: bytes) -> Response:
    return Response((np.frombuffer(body, "<f8") * 2).tobytes(), media_type="application/octet-stream")


sync_app = FastAPI()
async_app = FastAPI()
RawBody = Annotated[bytes, Depends(raw_body)]


@sync_app.post("/echo")
def echo(request: Echo) -> Echo:
    """Return the request."""
    return request


@sync_app.post("/validated", response_model=Verdict)
def validated(article: Article) -> dict[str, object]:
    """Return a constant verdict."""
    return _verdict(article)


@sync_app.post("/floats", response_model=Floats)
def floats(request: Floats) -> dict[str, list[float]]:
    """Double every value."""
    return _doubled(request)


@sync_app.post("/binary")
def binary(body: RawBody) -> Response:
    """Double every value of an array of bytes."""
    return _doubled_bytes(body)


@sync_app.post("/upload")
def upload(image: UploadFile) -> dict[str, int]:
    """Return the size of a file."""
    return {"size": len(image.file.read())}


@async_app.post("/echo")
async def echo_async(request: Echo) -> Echo:
    """Return the request."""
    return request


@async_app.post("/validated", response_model=Verdict)
async def validated_async(article: Article) -> dict[str, object]:
    """Return a constant verdict."""
    return _verdict(article)


@async_app.post("/floats", response_model=Floats)
async def floats_async(request: Floats) -> dict[str, list[float]]:
    """Double every value."""
    return _doubled(request)


@async_app.post("/binary")
async def binary_async(request: Request) -> Response:
    """Double every value of an array of bytes."""
    return _doubled_bytes(await request.body())


@async_app.post("/upload")
async def upload_async(image: UploadFile) -> dict[str, int]:
    """Return the size of a file."""
    return {"size": len(await image.read())}
