"""The cases on Ray Serve: two replicas, access log off, its throughput-optimised mode and HAProxy front."""

import asyncio
import os
import signal
from typing import Any

import numpy as np
import ray
from article_models import VERDICT, Article, Echo, Floats, Verdict
from pydantic import BaseModel
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response

BATCH_SIZE = 64
BATCH_SECONDS = 0.005
MODEL_SECONDS = 0.005
BATCH_WAIT_SECONDS = 0.005
MODELS = 1 if os.environ.get("BENCH_CASE") == "batched" else int(os.environ.get("BENCH_WORKERS", "2"))


class Both(BaseModel):
    """What two models return."""

    first: str
    second: str


async def _echo(request: Request) -> Response:
    return _json(Echo.model_validate_json(await request.body()))


async def _validated(request: Request) -> Response:
    Article.model_validate_json(await request.body())
    return _json(Verdict.model_validate(VERDICT))


async def _floats(request: Request) -> Response:
    floats = Floats.model_validate_json(await request.body())
    return _json(Floats(values=(np.asarray(floats.values) * 2).tolist()))


async def _binary(request: Request) -> Response:
    doubled = np.frombuffer(await request.body(), "<f8") * 2
    return Response(doubled.tobytes(), media_type="application/octet-stream")


async def _upload(request: Request) -> Response:
    form = await request.form()
    content = await form["image"].read()  # type: ignore[union-attr]  # the field is a file
    return Response(b'{"size": %d}' % len(content), media_type="application/json")


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")


async def _batched(request: Request) -> Response:
    return _json(await _answer_batch(Echo.model_validate_json(await request.body())))


@serve.batch(max_batch_size=BATCH_SIZE, batch_wait_timeout_s=BATCH_WAIT_SECONDS)
async def _answer_batch(echoes: list[Echo]) -> list[Echo]:
    await asyncio.sleep(BATCH_SECONDS)
    return echoes


HANDLERS = {
    "/echo": _echo,
    "/validated": _validated,
    "/floats": _floats,
    "/binary": _binary,
    "/upload": _upload,
    "/batched": _batched,
}


OPTIONS: dict[str, Any] = {
    "max_ongoing_requests": 300,
    "ray_actor_options": {"num_cpus": 0},
    "logging_config": {"enable_access_log": False, "log_level": "WARNING"},
}


@serve.deployment(**OPTIONS)
class Model:
    """Returns the request, after the same time."""

    async def __call__(self, text: str) -> str:
        """Return the request."""
        await asyncio.sleep(MODEL_SECONDS)
        return text


@serve.deployment(num_replicas=MODELS, **OPTIONS)
class Composed:
    """Calls both models at the same time."""

    def __init__(self, first: DeploymentHandle, second: DeploymentHandle) -> None:
        self.first, self.second = first, second

    async def __call__(self, request: Request) -> Response:
        """Respond with what both return."""
        text = Echo.model_validate_json(await request.body()).text
        of_first, of_second = await asyncio.gather(self.first.remote(text), self.second.remote(text))
        return _json(Both(first=of_first, second=of_second))


@serve.deployment(num_replicas=MODELS, **OPTIONS)
class Bench:
    """Every other path in one deployment."""

    async def __call__(self, request: Request) -> Response:
        """Respond by path."""
        return await HANDLERS[request.url.path](request)


def _deployment() -> serve.Application:
    if os.environ.get("BENCH_CASE") == "composed":
        first, second = (Model.options(name=name).bind() for name in ("First", "Second"))
        return Composed.bind(first, second)
    return Bench.bind()


def main() -> None:
    """Start a cluster of one machine, serve, and stop it on SIGTERM."""
    signals = {signal.SIGTERM, signal.SIGINT}
    ray.init(include_dashboard=False, num_cpus=2, log_to_driver=False, _temp_dir=os.environ["BENCH_SCRATCH"])
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(os.environ["BENCH_PORT"])},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    serve.run(_deployment(), name="bench", route_prefix="/")
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    signal.sigwait(signals)
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
