"""Parameters that FastAPI would fill are answered at the start by what to write instead."""

# ruff: noqa: B008  # the calls are what is written
from typing import Annotated, Any

import fastapi
import pytest
import starlette.requests

from aylien_model_serving import Service
from aylien_model_serving.errors import ConfigurationError


def load() -> str:
    return "model"


def depends(text: str, model: Any = fastapi.Depends(load)) -> None: ...
def annotated(text: str, model: Annotated[str, fastapi.Depends(load)]) -> None: ...
def secured(text: str, user: str = fastapi.Security(load)) -> None: ...
def query(top: int = fastapi.Query(1, ge=1)) -> None: ...
def limited(top: Annotated[int, fastapi.Query(ge=1)]) -> None: ...
def body(text: str = fastapi.Body()) -> None: ...
def header(text: str, agent: str = fastapi.Header()) -> None: ...
def form(text: str = fastapi.Form()) -> None: ...
def upload(file: fastapi.UploadFile) -> None: ...
def uploads(file: list[fastapi.UploadFile] | None = None) -> None: ...
def request(text: str, request: starlette.requests.Request) -> None: ...
def response(text: str, response: fastapi.Response) -> None: ...
def tasks(text: str, background_tasks: fastapi.BackgroundTasks) -> None: ...


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (depends, r"parameter 'model' has Depends of fastapi: nothing is injected: load it in @app\.init"),
        (annotated, "parameter 'model' has Depends of fastapi: nothing is injected"),
        (secured, "parameter 'user' has Security of fastapi: set MODEL_SERVING_API_KEYS"),
        (query, r"parameter 'top' has Query of fastapi: .* pydantic\.Field\(ge=1\)"),
        (limited, r"parameter 'top' has Query of fastapi: .* pydantic\.Field\(ge=1\)"),
        (body, r"parameter 'text' has Body of fastapi: .*aylien_model_serving\.Body"),
        (header, r"parameter 'agent' has Header of fastapi: write Header or Cookie of aylien_model_serving"),
        (form, "parameter 'text' has Form of fastapi: a parameter is a field"),
        (upload, "parameter 'file' has UploadFile of fastapi: write MediaFile"),
        (uploads, "parameter 'file' has UploadFile of fastapi: write MediaFile"),
        (request, r"parameter 'request' has Request of starlette: read flask\.request"),
        (response, "parameter 'response' has Response of starlette: return aylien_model_serving"),
        (tasks, "parameter 'background_tasks' has BackgroundTasks of fastapi: return TaskResponse"),
    ],
)
def test_the_start_says_what_to_write_instead(handler: Any, message: str) -> None:
    app = Service()
    app.post("/predict")(handler)

    with pytest.raises(ConfigurationError, match=f"^route '/predict': .*{message}"):
        _ = app.wsgi


def test_what_is_of_the_field_itself_passes() -> None:
    app = Service()

    @app.get("/cut")
    def cut(text: str, top: int = 1) -> str:
        return text[:top]

    assert app.test_client().get("/cut?text=abc&top=2").json == "ab"
