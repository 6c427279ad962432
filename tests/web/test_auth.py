"""Who makes a request, by its key: what an offered key costs, and which of several counts."""

import base64
from hashlib import sha256

import pytest

from aylien_model_serving.core import api_keys
from aylien_model_serving.core.callers import Caller
from aylien_model_serving.errors import Forbidden, Unauthorized
from aylien_model_serving.web import auth
from aylien_model_serving.web.auth import ApiKeyAuth


def basic(password: str, name: str = "me") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_an_offered_key_is_hashed_once_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ",".join(f"n{number}:sha256:{sha256(b'%d' % number).hexdigest()}" for number in range(2000))
    guard = ApiKeyAuth(api_keys.read(listed))
    hashed: list[str] = []
    monkeypatch.setattr(auth, "digest_of", lambda key: hashed.append(key) or api_keys.digest_of(key))

    assert guard.caller_of({"x-api-key": "1999"}) == Caller("n1999")
    with pytest.raises(Forbidden):
        guard.caller_of({"x-api-key": "2000"})

    assert hashed == ["1999", "2000"]


def test_without_keys_there_is_nothing_to_check() -> None:
    assert ApiKeyAuth.of(()) is None


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ({"x-api-key": "one", "authorization": "Bearer two"}, "alice"),
        ({"x-api-key": "", "authorization": "Bearer two"}, "bob"),
        ({"x-api-key": "one", "authorization": basic("two")}, "alice"),
        ({"authorization": "bEaReR   two "}, "bob"),
        ({"authorization": basic("two", "alice")}, "bob"),
        ({"authorization": basic("a:b", "")}, "carol"),
    ],
)
def test_the_header_of_keys_goes_before_authorization(headers: dict[str, str], caller: str) -> None:
    digest = sha256(b"a:b").hexdigest()
    guard = ApiKeyAuth(api_keys.read(f"alice:one,bob:two,admin:carol:sha256:{digest}"))

    assert guard.caller_of(headers).name == caller


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({}, Unauthorized),
        ({"authorization": "Bearer"}, Unauthorized),
        ({"authorization": "Bearer "}, Unauthorized),
        ({"authorization": "Digest one"}, Unauthorized),
        ({"authorization": "one"}, Unauthorized),
        ({"authorization": basic("three")}, Unauthorized),
        ({"authorization": "Bearer three"}, Forbidden),
        ({"x-api-key": "\ud800"}, Forbidden),
        ({"x-api-key": "three", "authorization": "Bearer one"}, Forbidden),
    ],
)
def test_what_is_no_key_of_the_service_is_refused(headers: dict[str, str], refusal: type[Exception]) -> None:
    guard = ApiKeyAuth(api_keys.read("alice:one"))

    with pytest.raises(refusal):
        guard.caller_of(headers)
