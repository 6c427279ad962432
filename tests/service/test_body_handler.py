"""The one handler of a service that is called as `handler(context, json_in)`."""

from typing import Any

import pytest

from aylien_model_serving import Service
from aylien_model_serving.errors import ConfigurationError


def post(app: Service, **json_in: Any) -> Any:
    return app.wsgi.test_client().post("/", json=json_in)


def test_the_quick_start_of_banana_works_with_another_import_and_class() -> None:
    app = Service("server")

    @app.init
    def init() -> Any:
        model = "my pytorch model"
        app.optimize(model)

        return app.set_cache({"model": model, "hello": "world"})

    seen = []

    @app.handler
    def handler(cache: Any, json_in: Any) -> dict[str, str]:
        seen.append((cache, json_in))
        return {"json": "out"}

    answer = post(app, name="test")

    assert answer.json == {"json": "out"}
    assert seen == [({"model": "my pytorch model", "hello": "world"}, {"name": "test"})]
    assert handler({}, {}) == {"json": "out"}


def test_every_field_is_the_clients_own() -> None:
    app = Service()
    app.handler(lambda cache, json_in: json_in)

    assert post(app, context=1, cache=2, self=3).json == {"context": 1, "cache": 2, "self": 3}


@pytest.mark.parametrize("body", ["[1]", "no json", ""])
def test_a_body_that_is_no_object_is_refused(body: str) -> None:
    app = Service()
    app.handler(lambda cache, json_in: json_in)

    refused = app.wsgi.test_client().post("/", data=body, content_type="application/json")

    assert refused.status_code == 400


def test_it_may_be_a_coroutine_function_or_a_class_and_have_keys() -> None:
    app, other = Service(), Service()

    @app.handler(timeout=5, name="server")
    async def handler(cache: Any, json_in: Any) -> Any:
        return [cache, json_in]

    @other.handler
    class Handler:
        def __call__(self, cache: Any, json_in: Any) -> Any:
            return [cache, json_in]

    assert post(app, a=1).json == post(other, a=1).json == [{}, {"a": 1}]
    assert app.routes[0]["timeout"] == 5


def test_there_is_one_alone() -> None:
    app = Service()
    app.handler(lambda cache, json_in: None)

    with pytest.raises(ConfigurationError, match=r"@handler can be used once, and has been at .*\.py:\d+"):
        app.handler(lambda cache, json_in: None)


@pytest.mark.parametrize(
    "wrong", [lambda json_in: None, lambda *, context, json_in: None, lambda a, b, c: None]
)
def test_one_that_does_not_take_two_arguments_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"two arguments, \(context, json_in\)"):
        Service().handler(wrong)
