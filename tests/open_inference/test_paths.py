"""The paths of the protocol: which there are, who may ask them, and what they tell."""

from __future__ import annotations

from typing import Any

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import ConfigurationError


def shout(text: str) -> str:
    return text.upper()


def whisper(text: str) -> str:
    return text.lower()


SHOUT: dict[str, Any] = {"endpoint": "/shout", "callable": shout}
WHISPER: dict[str, Any] = {"endpoint": "/whisper", "callable": whisper}
BODY = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}
PATHS = ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/shout", "/v2/models/shout/ready")


def names(*routes: dict[str, Any]) -> list[str]:
    client = FlaskAppWrapper.create_app(routes).test_client()
    return [model["name"] for model in client.post("/v2/repository/index").get_json()]


def test_a_service_without_the_key_has_none_of_the_paths() -> None:
    client = FlaskAppWrapper.create_app([SHOUT]).test_client()

    assert {client.get(path).status_code for path in PATHS} == {404}
    assert client.post("/v2/models/shout/infer", json=BODY).status_code == 404


def test_the_key_offers_one_route() -> None:
    assert names({**SHOUT, "oip": True}, WHISPER) == ["shout"]


def test_the_setting_offers_all_routes_but_those_that_say_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_OIP", "1")

    assert names(SHOUT, WHISPER) == ["shout", "whisper"]
    assert names(SHOUT, {**WHISPER, "oip": False}) == ["shout"]


def test_the_version_is_that_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_VERSION", "2.1")
    client = FlaskAppWrapper.create_app([{**SHOUT, "oip": True}]).test_client()

    assert client.get("/v2/models/shout").get_json()["versions"] == ["2.1"]
    assert client.post("/v2/models/shout/versions/2.1/infer", json=BODY).status_code == 200
    for path in ("/v2/models/shout/versions/1", "/v2/models/shout/versions/1/ready"):
        assert (
            client.get(path).get_json()["error"]
            == "There is no version '1' of the model 'shout': there is '2.1'"
        )
    assert client.post("/v2/models/shout/versions/1/infer", json=BODY).status_code == 404


def test_health_alone_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "a-long-and-secret-key-of-ada")
    client = FlaskAppWrapper.create_app([{**SHOUT, "oip": True}]).test_client()
    key = {"X-API-Key": "a-long-and-secret-key-of-ada"}

    without = [client.get(path).status_code for path in PATHS]

    assert without == [401, 200, 200, 401, 401]
    assert client.post("/v2/models/shout/infer", json=BODY).status_code == 401
    assert client.post("/v2/models/shout/infer", json=BODY, headers=key).status_code == 200
    assert [client.get(path, headers=key).status_code for path in PATHS] == [200] * 5


def test_calls_by_both_protocols_count_towards_one_limit() -> None:
    route = {**SHOUT, "oip": True, "limit": {"rate": "2/hour"}}
    client = FlaskAppWrapper.create_app([route]).test_client()

    statuses = [
        client.post("/shout", json={"text": "a"}).status_code,
        client.post("/v2/models/shout/infer", json=BODY).status_code,
        client.post("/v2/models/shout/infer", json=BODY).status_code,
    ]

    assert statuses == [200, 200, 429]


def test_requests_are_counted_and_carry_their_id() -> None:
    client = FlaskAppWrapper.create_app([{**SHOUT, "oip": True}]).test_client()

    response = client.post("/v2/models/shout/infer", json=BODY, headers={"X-Request-ID": "mine"})

    assert response.headers["X-Request-ID"] == "mine"
    assert 'endpoint="shout:infer"' in client.get("/metrics").get_data(as_text=True)


def test_the_index_lists_those_that_are_ready_where_it_is_asked_to() -> None:
    client = FlaskAppWrapper.create_app([{**SHOUT, "oip": True}]).test_client()

    assert client.post("/v2/repository/index", json={"ready": True}).get_json() == [
        {"name": "shout", "version": "1", "state": "READY", "reason": ""}
    ]
    assert client.post("/v2/repository/index", json={"ready": 1}).status_code == 400


def test_names_that_no_path_can_have_are_changed() -> None:
    assert names({**SHOUT, "name": "shout: loud/er", "oip": True}) == ["shout_loud_er"]


def test_two_routes_are_not_one_model() -> None:
    routes = [{**SHOUT, "name": "a b", "oip": True}, {**WHISPER, "name": "a_b", "oip": True}]

    with pytest.raises(ConfigurationError, match="another route is the model 'a_b' already"):
        FlaskAppWrapper.create_app(routes)


def test_jobs_are_no_models() -> None:
    with pytest.raises(ConfigurationError, match="jobs are answered before they have a result"):
        FlaskAppWrapper.create_app([{**SHOUT, "oip": True, "job": True}])
