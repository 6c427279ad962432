"""What init makes, when it runs, and whom it reaches."""

import functools
import inspect
from typing import Any

import pytest

from aylien_model_serving import FlaskAppWrapper, Service
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import lifecycle
from aylien_model_serving.replicas.replica import loader
from aylien_model_serving.rpc.spec import Spec

hosted = Service("hosted")
runs: list[str] = []


@hosted.init
def load(device: str) -> dict[str, str]:
    runs.append(device)
    return {"device": device}


@hosted.endpoint("/here", runner=True)
def here(context: dict[str, str], text: str) -> str:
    return f"{text} on {context['device']}"


def as_it_is(text: str) -> str:
    return text


@hosted.endpoint("/rater", runner={"init": {"factor": 2}})
class Rater:
    def __init__(self, context: dict[str, str], factor: int, device: str = "none") -> None:
        self.given = (context["device"], device, factor)
        self.is_closed = False

    def __call__(self, text: str, context: dict[str, str]) -> list[Any]:
        return [text, context["device"], *self.given]

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def _as_if_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    runs.clear()
    monkeypatch.setattr(hosted._context, "_is_made", False)


def serving(handler: Any, *, init: Any = None) -> Service:
    app = Service()
    if init is not None:
        app.init(init)
    app.endpoint("/")(handler)
    return app


def answer(app: Service, **fields: Any) -> Any:
    return app.wsgi.test_client().post("/", json=fields).json


def test_init_runs_once_before_the_first_request() -> None:
    made: list[str] = []
    app = serving(lambda context, text: text + context, init=lambda: made.append("made") or "!")
    assert made == []

    client = app.wsgi.test_client()

    assert made == ["made"]
    assert [client.post("/", json={"text": text}).json for text in "ab"] == ["a!", "b!"]
    assert made == ["made"]


def test_what_init_gives_to_set_cache_is_the_context() -> None:
    app = Service()

    @app.init
    def load() -> None:
        app.set_cache({"model": "m"})

    app.endpoint("/")(lambda context, text: context["model"])

    assert answer(app, text="") == "m"
    assert app.get_cache() == {"model": "m"}


def test_a_service_without_init_has_an_empty_context() -> None:
    assert answer(serving(lambda context, text: context), text="") == {}


def test_a_handler_may_put_another_context_in_place() -> None:
    app = Service()

    @app.endpoint("/")
    def count(context: dict[str, int], text: str) -> int:
        return app.set_cache({"calls": context.get("calls", 0) + 1})["calls"]

    assert [answer(app, text=""), answer(app, text="")] == [1, 2]


@pytest.mark.parametrize(
    "handler",
    [
        lambda context, text: [context, text],
        lambda text, context: [context, text],
        lambda text, *, context: [context, text],
        lambda context, /, text: [context, text],
        lambda text, context, /, more=1: [context, text],
        functools.partial(lambda more, context, text: [context, text], 1),
        lambda context, **fields: [context, fields["text"]],
    ],
)
def test_the_context_comes_wherever_the_parameter_stands(handler: Any) -> None:
    assert answer(serving(handler, init=lambda: "made"), text="one") == ["made", "one"]


@pytest.mark.parametrize("handler", [lambda context, text: text, lambda context, **fields: "taken"])
def test_no_request_can_give_the_context(handler: Any) -> None:
    client = serving(handler).wsgi.test_client()

    refused = client.post("/", json={"text": "one", "context": {}})

    assert refused.status_code == 400
    assert "'context'" in refused.json["error"]


def test_the_context_is_no_field_for_whoever_reads_the_document() -> None:
    def rate(context: dict[str, str], text: str) -> int:
        return len(text)

    document = serving(rate).wsgi.test_client().get("/openapi.json").text

    assert '"text"' in document
    assert '"context"' not in document


def test_the_hints_of_a_handler_with_a_context_still_check_its_fields() -> None:
    class Handler:
        def __call__(self, context: Any, number: int) -> int:
            return number

    assert answer(serving(Handler()), number="no")["error"] == "number: Expected `int`, got `str`"


def test_a_view_gets_the_context_too() -> None:
    def view(context: str) -> Any:
        return FlaskAppWrapper.process_json(lambda text: text + context)

    assert answer(serving(view, init=lambda: "!"), text="one") == "one!"


def test_a_class_gets_the_context_when_it_is_built() -> None:
    class Handler:
        def __init__(self, context: str) -> None:
            self.kept = context

        def __call__(self, text: str) -> str:
            return text + self.kept

    assert answer(serving(Handler, init=lambda: "!"), text="one") == "one!"


def test_a_function_of_two_services_gets_the_context_of_each() -> None:
    def rate(context: Any, text: str) -> Any:
        return context

    one, two = serving(rate, init=lambda: 1), serving(rate, init=lambda: 2)
    bare = FlaskAppWrapper.create_app([{"endpoint": "/", "callable": rate}]).test_client()

    assert (answer(one, text=""), answer(two, text="")) == (1, 2)
    assert bare.post("/", json={"text": "", "context": "a field"}).json == "a field"


def test_a_handler_that_replicas_host_needs_a_service_that_they_find() -> None:
    app = Service()
    app.init(lambda: "made")
    app.endpoint("/hosted", runner=True)(as_it_is)

    with pytest.raises(
        ConfigurationError, match=r"'/hosted'.* let it stand at the top of a module, as app = Service"
    ):
        _ = app.wsgi


def test_a_replica_runs_init_with_its_device_and_gives_its_handler_the_context() -> None:
    spec = Spec(name="here", target=f"{__name__}:here", context=f"{__name__}:hosted._context")

    handler = loader.build(spec, "cuda:0")

    assert handler(text="one") == "one on cuda:0"
    assert runs == ["cuda:0"]
    assert Signature.of(handler).known == ("text",)


def test_a_class_of_a_replica_gets_the_context_in_both_places_and_is_closed() -> None:
    place = f"{__name__}:hosted._context"
    spec = Spec(name="rater", target=f"{__name__}:Rater", context=place, init={"factor": 2})

    handler = loader.build(spec, "cpu")

    assert handler(text="one") == ["one", "cpu", "cpu", "cpu", 2]
    built = inspect.getattr_static(handler, "__wrapped__").__self__
    handler.close()
    assert built.is_closed


def test_who_hosts_nothing_does_not_run_init(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "is_inspecting", True)

    paths = {described.route.endpoint for described in hosted.wsgi.state.routes}

    assert paths == {"/here", "/rater"}
    assert runs == []


def test_an_init_that_fails_stops_the_app() -> None:
    app = serving(lambda text: text, init=lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        _ = app.wsgi


async def _async() -> None: ...


def _generator() -> Any:
    yield


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_async, "write a plain function"),
        (_generator, "write a plain function"),
        (lambda model: None, "nobody gives it 'model'; it may ask for 'device' alone"),
    ],
)
def test_an_init_that_nobody_could_call_is_refused(function: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Service().init(function)


def test_a_second_init_names_where_the_first_is() -> None:
    app = Service()
    app.init(lambda: None)

    with pytest.raises(
        ConfigurationError, match=r"@init can be used once, and has been at .*test_context\.py:\d+"
    ):
        app.init(lambda: None)


def test_optimize_leaves_what_is_no_pytorch_module_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model = "my pytorch model"

    assert Service().optimize(model) is model
    assert "leaves a str as it is" in caplog.text
