"""The cases on APIPod, as plain FastAPI; its `start()` has one worker only, so uvicorn serves two."""

import numpy as np
from apipod import APIPod
from article_models import VERDICT, Article, Echo, Floats, Verdict
from fastapi import Body
from media_toolkit import ImageFile

router = APIPod()
JSON_BODY = Body()  # without it, APIPod reads a model from a form


@router.endpoint("/echo")
def echo(request: Echo = JSON_BODY) -> Echo:
    """Return the request."""
    return request


@router.endpoint("/validated")
def validated(request: Article = JSON_BODY) -> Verdict:
    """Return a constant verdict."""
    return Verdict.model_validate(VERDICT)


@router.endpoint("/floats")
def floats(request: Floats = JSON_BODY) -> dict[str, list[float]]:
    """Double every value."""
    return {"values": (np.asarray(request.values) * 2).tolist()}


@router.endpoint("/upload")
def upload(image: ImageFile) -> dict[str, int]:
    """Return the size of a file."""
    return {"size": len(image.to_bytes())}


app = router.app
app.include_router(router)
