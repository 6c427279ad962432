"""Small services as other systems write them, and the same services written for this library.

What the two differ in is counted, and stands in the table of docs/coming-from.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, NamedTuple

from werkzeug.test import Client

from tests.media.samples import png_of


class Port(NamedTuple):
    """One service in two versions.

    Args:
        system: where it comes from.
        name: what it shows.
        there: its program for the other system.
        here: its program for this library.
        check: asserts what the service answers, of a client and the program's names.
    """

    system: str
    name: str
    there: str
    here: str
    check: Callable[[Client, dict[str, Any]], None]

    @property
    def lines(self) -> int:
        """The lines of the other system's program that are not empty."""
        return len(_lines(self.there))

    @property
    def changed(self) -> int:
        """The lines that have to be written, changed or taken away."""
        steps = difflib.SequenceMatcher(None, _lines(self.there), _lines(self.here), autojunk=False)
        return sum(max(i2 - i1, j2 - j1) for kind, i1, i2, j1, j2 in steps.get_opcodes() if kind != "equal")


def _lines(program: str) -> list[str]:
    return [line for line in program.splitlines() if line.strip()]


def _ended(client: Client, path: str, **sent: Any) -> Any:
    job = client.post(path, **sent).json
    return client.get(f"/status/{job['job_id']}?wait=10").json


def _banana(client: Client, names: dict[str, Any]) -> None:
    assert client.post("/", json={"prompt": "one"}).json == {"answer": "ONE"}


BANANA = Port(
    "Banana",
    "init, a handler, a cache",
    there="""\
from banana_server import Banana

app = Banana("server")

@app.init
def init():
    model = str.upper
    app.optimize(model)
    return app.set_cache({"model": model})

@app.handler
def handler(cache, json_in) -> dict:
    return {"answer": cache["model"](json_in["prompt"])}

app.serve()
""",
    here="""\
from aylien_model_serving import Service as Banana

app = Banana("server")

@app.init
def init():
    model = str.upper
    app.optimize(model)
    return app.set_cache({"model": model})

@app.handler
def handler(cache, json_in) -> dict:
    return {"answer": cache["model"](json_in["prompt"])}

app.serve()
""",
    check=_banana,
)


def _potassium(client: Client, names: dict[str, Any]) -> None:
    answer = client.post("/shout", json={"prompt": "one"})
    assert (answer.status_code, answer.json) == (200, {"answer": "ONE"})
    assert _ended(client, "/later", json={"prompt": "two"})["status"] == "finished"
    assert names["sent"] == ["TWO"]


POTASSIUM = Port(
    "Potassium",
    "paths, requests and responses, work in the background",
    there="""\
from potassium import Potassium, Request, Response

app = Potassium("server")
sent = []

@app.init
def init() -> dict:
    return {"model": str.upper}

@app.handler("/shout")
def shout(context: dict, request: Request) -> Response:
    return Response(json={"answer": context["model"](request.json.get("prompt"))}, status=200)

@app.background("/later")
def later(context: dict, request: Request) -> None:
    sent.append(context["model"](request.json.get("prompt")))

app.serve()
""",
    here="""\
from aylien_model_serving import Request, Response, Service as Potassium

app = Potassium("server")
sent = []

@app.init
def init() -> dict:
    return {"model": str.upper}

@app.handler("/shout")
def shout(context: dict, request: Request) -> Response:
    return Response(json={"answer": context["model"](request.json.get("prompt"))}, status=200)

@app.background("/later")
def later(context: dict, request: Request) -> None:
    sent.append(context["model"](request.json.get("prompt")))

app.serve()
""",
    check=_potassium,
)


def _route(client: Client, names: dict[str, Any]) -> None:
    assert client.post("/v1/iris/predict", json=[[5.1, 1.4], [6.0, 4.5]]).json == [0, 1]


ROUTE = Port(
    "BentoML",
    "a runner, a custom route, arrays",
    there="""\
import bentoml
import numpy as np
from bentoml.io import NumpyNdarray

runner = bentoml.sklearn.get("iris:latest").to_runner()
svc = bentoml.Service("iris", runners=[runner])

@svc.api(input=NumpyNdarray(), output=NumpyNdarray(), route="v1/iris/predict")
def classify(rows: np.ndarray) -> np.ndarray:
    return runner.predict.run(rows)
""",
    here="""\
import joblib
import numpy as np
from aylien_model_serving import Service

model = joblib.load("iris.joblib")
svc = Service("iris")

@svc.api(route="v1/iris/predict")
def classify(rows: np.ndarray, /) -> np.ndarray:
    return model.predict(rows)
""",
    check=_route,
)


def _middleware(client: Client, names: dict[str, Any]) -> None:
    assert client.post("/echo", json={"text": "a"}, base_url="https://a.example.com").json == "a"
    assert client.post("/echo", json={"text": "a"}, base_url="https://other.com").status_code == 400
    assert client.post("/echo", json={"text": "a"}, base_url="http://example.com").status_code == 307


MIDDLEWARE = Port(
    "BentoML",
    "ASGI middleware",
    there="""\
import bentoml
from bentoml.io import Text
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

svc = bentoml.Service("polite")
svc.add_asgi_middleware(HTTPSRedirectMiddleware)
svc.add_asgi_middleware(TrustedHostMiddleware, allowed_hosts=["example.com", "*.example.com"])

@svc.api(input=Text(), output=Text())
def echo(text: str) -> str:
    return text
""",
    here="""\
import aylien_model_serving as bentoml
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

svc = bentoml.Service("polite")
svc.add_asgi_middleware(HTTPSRedirectMiddleware)
svc.add_asgi_middleware(TrustedHostMiddleware, allowed_hosts=["example.com", "*.example.com"])

@svc.api
def echo(text: str) -> str:
    return text
""",
    check=_middleware,
)


def _tasks(client: Client, names: dict[str, Any]) -> None:
    for path, expected in (("/one", ["a"]), ("/several", ["b", "c"])):
        names["sent"].clear()
        with client.post(path, json={"text": "x"}) as answer:
            assert answer.json == {"message": "success"}
        assert names["done"].wait(10)
        assert names["sent"] == expected
        names["done"].clear()


TASKS = Port(
    "BentoML",
    "one background task, and several",
    there="""\
import threading
import bentoml
from bentoml.io import JSON, TaskResponse
from starlette.background import BackgroundTask, BackgroundTasks

svc = bentoml.Service("tasks")
sent, done = [], threading.Event()

async def send(result: str, last: bool) -> None:
    sent.append(result)
    if last:
        done.set()

@svc.api(input=JSON(), output=JSON())
async def one(text: str) -> TaskResponse[dict[str, str], BackgroundTask]:
    task = BackgroundTask(send, "a", last=True)
    return TaskResponse(res={"message": "success"}, background=task)

@svc.api(input=JSON(), output=JSON())
async def several(text: str) -> TaskResponse[dict[str, str], BackgroundTasks]:
    tasks = BackgroundTasks()
    tasks.add_task(BackgroundTask(send, "b", last=False))
    tasks.add_task(BackgroundTask(send, "c", last=True))
    return TaskResponse(res={"message": "success"}, background=tasks)
""",
    here="""\
import threading
import aylien_model_serving as bentoml
from aylien_model_serving import TaskResponse
from starlette.background import BackgroundTask, BackgroundTasks

svc = bentoml.Service("tasks")
sent, done = [], threading.Event()

async def send(result: str, last: bool) -> None:
    sent.append(result)
    if last:
        done.set()

@svc.api
async def one(text: str) -> TaskResponse[dict[str, str], BackgroundTask]:
    task = BackgroundTask(send, "a", last=True)
    return TaskResponse(res={"message": "success"}, background=task)

@svc.api
async def several(text: str) -> TaskResponse[dict[str, str], BackgroundTasks]:
    tasks = BackgroundTasks()
    tasks.add_task(BackgroundTask(send, "b", last=False))
    tasks.add_task(BackgroundTask(send, "c", last=True))
    return TaskResponse(res={"message": "success"}, background=tasks)
""",
    check=_tasks,
)


def _mounts(client: Client, names: dict[str, Any]) -> None:
    assert client.get("/metadata").json == {"name": "iris"}
    assert client.post("/again", json={"petal_length": 1.4}).json == {"species": 0}
    assert client.post("/predict", json={"petal_length": 4.5}).json == [1]


MOUNT_ASGI = Port(
    "BentoML",
    "a FastAPI app beside the service",
    there="""\
import bentoml
import numpy as np
from bentoml.io import JSON, NumpyNdarray
from fastapi import FastAPI
from pydantic import BaseModel

class Flower(BaseModel):
    petal_length: float

runner = bentoml.sklearn.get("iris:latest").to_runner()
svc = bentoml.Service("iris", runners=[runner])

@svc.api(input=JSON(pydantic_model=Flower), output=NumpyNdarray())
def predict(flower: Flower) -> np.ndarray:
    return runner.predict.run([[0, flower.petal_length]])

fastapi_app = FastAPI()
svc.mount_asgi_app(fastapi_app)

@fastapi_app.get("/metadata")
def metadata():
    return {"name": "iris"}

@fastapi_app.post("/again")
def again(flower: Flower):
    return {"species": int(runner.predict.run([[0, flower.petal_length]])[0])}
""",
    here="""\
import joblib
import numpy as np
from aylien_model_serving import Service
from fastapi import FastAPI
from pydantic import BaseModel

class Flower(BaseModel):
    petal_length: float

model = joblib.load("iris.joblib")
svc = Service("iris")

@svc.api
def predict(flower: Flower) -> np.ndarray:
    return model.predict([[0, flower.petal_length]])

fastapi_app = FastAPI()
svc.mount_asgi_app(fastapi_app)

@fastapi_app.get("/metadata")
def metadata():
    return {"name": "iris"}

@fastapi_app.post("/again")
def again(flower: Flower):
    return {"species": int(model.predict([[0, flower.petal_length]])[0])}
""",
    check=_mounts,
)

MOUNT_WSGI = Port(
    "BentoML",
    "a Flask app beside the service",
    there="""\
import bentoml
from bentoml.io import JSON
from flask import Flask, jsonify, request

runner = bentoml.sklearn.get("iris:latest").to_runner()
svc = bentoml.Service("iris", runners=[runner])

@svc.api(input=JSON(), output=JSON())
def predict(petal_length):
    return runner.predict.run([[0, petal_length]])

flask_app = Flask("about")
svc.mount_wsgi_app(flask_app)

@flask_app.route("/metadata")
def metadata():
    return {"name": "iris"}

@flask_app.route("/again", methods=["POST"])
def again():
    return jsonify({"species": int(runner.predict.run([[0, request.json["petal_length"]]])[0])})
""",
    here="""\
import joblib
from aylien_model_serving import Service
from flask import Flask, jsonify, request

model = joblib.load("iris.joblib")
svc = Service("iris")

@svc.api
def predict(petal_length):
    return model.predict([[0, petal_length]])

flask_app = Flask("about")
svc.mount_wsgi_app(flask_app)

@flask_app.route("/metadata")
def metadata():
    return {"name": "iris"}

@flask_app.route("/again", methods=["POST"])
def again():
    return jsonify({"species": int(model.predict([[0, request.json["petal_length"]]])[0])})
""",
    check=_mounts,
)


def _jobs(client: Client, names: dict[str, Any]) -> None:
    ended = _ended(client, "/fry", json={"kind": "curly"})
    assert (ended["result"], ended["message"]) == ("1 curly", "nearly done")
    assert _ended(client, "/bake", json={"kind": "curly", "amount": 2})["result"] == "2 baked"
    assert client.get("/plain?text=a&times=2").json == client.post("/plain", json={"text": "aa"}).json == "aa"


JOBS = Port(
    "FastTaskAPI",
    "jobs with progress, and a plain endpoint",
    there="""\
from typing import Optional
from fast_task_api import FastTaskAPI, JobProgress

app = FastTaskAPI()

@app.task_endpoint(path="/fry", queue_size=100)
def fry(job_progress: JobProgress, kind: str, amount: int = 1):
    job_progress.set_status(0.1, f"frying {kind}")
    job_progress.set_status(0.8, "nearly done")
    return f"{amount} {kind}"

@app.task_endpoint("bake", queue_size=10, max_upload_file_size_mb=5)
def bake(job_progress: JobProgress, kind: str, salt: Optional[str], amount: int = 1):
    job_progress._message = "in the oven"
    job_progress._progress = 0.5
    return f"{amount} baked"

@app.endpoint("/plain", methods=["GET", "POST"])
def plain(text: str, times: int = 1):
    return text * times

app.start()
""",
    here="""\
from typing import Optional
from aylien_model_serving import JobProgress, Service as FastTaskAPI

app = FastTaskAPI()

@app.task_endpoint(path="/fry", queue_size=100)
def fry(job_progress: JobProgress, kind: str, amount: int = 1):
    job_progress.set_status(0.1, f"frying {kind}")
    job_progress.set_status(0.8, "nearly done")
    return f"{amount} {kind}"

@app.task_endpoint("bake", queue_size=10, max_upload_file_size_mb=5)
def bake(job_progress: JobProgress, kind: str, salt: Optional[str], amount: int = 1):
    job_progress._message = "in the oven"
    job_progress._progress = 0.5
    return f"{amount} baked"

@app.endpoint("/plain", methods=["GET", "POST"])
def plain(text: str, times: int = 1):
    return text * times

app.start()
""",
    check=_jobs,
)


def _files(client: Client, names: dict[str, Any]) -> None:
    picture = png_of(2, 2)
    ended = _ended(client, "/keep", data={"anyfile": (names["BytesIO"](picture), "a.png")})
    assert (ended["status"], names["base64"].b64decode(ended["result"])) == ("finished", picture)


FILES = Port(
    "FastTaskAPI",
    "files",
    there="""\
import base64
from io import BytesIO
from fast_task_api import FastTaskAPI, ImageFile, MediaFile

app = FastTaskAPI()

@app.task_endpoint("/keep")
def keep(anyfile: MediaFile):
    return anyfile.content

@app.task_endpoint("/invert", queue_size=10)
def invert(picture: ImageFile | str | bytes):
    return ImageFile().from_np_array(255 - picture.to_np_array())

app.start()
""",
    here="""\
import base64
from io import BytesIO
from aylien_model_serving import ImageFile, MediaFile, Service as FastTaskAPI

app = FastTaskAPI()

@app.task_endpoint("/keep")
def keep(anyfile: MediaFile):
    return anyfile.content

@app.task_endpoint("/invert", queue_size=10)
def invert(picture: ImageFile | str | bytes):
    return ImageFile().from_np_array(255 - picture.to_np_array())

app.start()
""",
    check=_files,
)


def _predictions(client: Client, names: dict[str, Any]) -> None:
    assert client.get("/predictions?petal_length=1.4").json == {"species": "setosa"}
    assert client.post("/predictions", json={"petal_length": 4.5}).json == {"species": "virginica"}
    assert client.post("/predictions", json={"petal_length": "long"}).status_code in (400, 422)


FASTAPI = Port(
    "FastAPI",
    "GET and POST of one model",
    there="""\
from typing import Annotated
from fastapi import FastAPI, Query
from pydantic import BaseModel

class Flower(BaseModel):
    petal_length: float

class Species(BaseModel):
    species: str

app = FastAPI()

@app.get("/predictions")
def get_prediction(flower: Annotated[Flower, Query()]) -> Species:
    return Species(species="setosa" if flower.petal_length < 2.5 else "virginica")

@app.post("/predictions")
def post_prediction(flower: Flower) -> Species:
    return Species(species="setosa" if flower.petal_length < 2.5 else "virginica")
""",
    here="""\
from typing import Annotated
from aylien_model_serving import Service as FastAPI
from pydantic import BaseModel

class Flower(BaseModel):
    petal_length: float

class Species(BaseModel):
    species: str

app = FastAPI()

@app.get("/predictions")
def get_prediction(flower: Flower) -> Species:
    return Species(species="setosa" if flower.petal_length < 2.5 else "virginica")

@app.post("/predictions")
def post_prediction(flower: Flower) -> Species:
    return Species(species="setosa" if flower.petal_length < 2.5 else "virginica")
""",
    check=_predictions,
)

FLASK = Port(
    "Flask",
    "GET and POST of one model",
    there="""\
from flask import Flask, jsonify, request
from pydantic import BaseModel, ValidationError

class Flower(BaseModel):
    petal_length: float

app = Flask("flowers")

def answer(fields):
    try:
        flower = Flower(**fields)
    except ValidationError as error:
        return jsonify(error.errors()), 422
    return jsonify(species="setosa" if flower.petal_length < 2.5 else "virginica")

@app.get("/predictions")
def get_prediction():
    return answer(request.args)

@app.post("/predictions")
def post_prediction():
    return answer(request.json)
""",
    here="""\
from aylien_model_serving import Service as Flask
from flask import jsonify, request
from pydantic import BaseModel, ValidationError

class Flower(BaseModel):
    petal_length: float

app = Flask("flowers")

def answer(fields):
    try:
        flower = Flower(**fields)
    except ValidationError as error:
        return jsonify(error.errors()), 422
    return jsonify(species="setosa" if flower.petal_length < 2.5 else "virginica")

@app.get("/predictions")
def get_prediction():
    return answer(request.args)

@app.post("/predictions")
def post_prediction():
    return answer(request.json)
""",
    check=_predictions,
)


def _view(client: Client, names: dict[str, Any]) -> None:
    assert client.post("/", json={"title": "Hello"}).json == {"language": "en"}
    assert client.post("/", json={"tital": "Hello"}).status_code == 400


VERSION_2 = Port(
    "version 2",
    "a view that calls `process_json`",
    there="""\
from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest

def predict(title=None, body=None):
    if title is None and body is None:
        raise InvalidRequest("Missing text")
    return {"language": "en"}

def process_request():
    return FlaskAppWrapper.process_json(predict)

def run_app():
    return FlaskAppWrapper.create_app([{"endpoint": "/", "callable": process_request, "methods": ["POST"]}])

app = run_app()
""",
    here="""\
from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest

def predict(title=None, body=None):
    if title is None and body is None:
        raise InvalidRequest("Missing text")
    return {"language": "en"}

def process_request():
    return FlaskAppWrapper.process_json(predict)

def run_app():
    return FlaskAppWrapper.create_app([{"endpoint": "/", "callable": process_request, "methods": ["POST"]}])

app = run_app()
""",
    check=_view,
)

PORTS = [
    BANANA,
    POTASSIUM,
    ROUTE,
    MIDDLEWARE,
    TASKS,
    MOUNT_ASGI,
    MOUNT_WSGI,
    JOBS,
    FILES,
    FASTAPI,
    FLASK,
    VERSION_2,
]
