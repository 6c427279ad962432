"""`model-serving hash-key`: the entry of a key, which is never an argument."""

import pytest

from aylien_model_serving.core import api_keys
from aylien_model_serving.core.callers import Caller
from tests.cli.conftest import Invoke

KEY = "correct-horse-battery-staple"


def test_a_key_from_standard_input_becomes_an_entry(invoke: Invoke) -> None:
    result = invoke("hash-key", "--name", "alice", input=f"{KEY}\n")

    (key,) = api_keys.read(result.stdout)
    assert key == api_keys.ApiKey(Caller("alice"), api_keys.digest_of(KEY))
    assert KEY not in result.output


def test_a_random_key_is_shown_once_beside_its_entry(invoke: Invoke) -> None:
    results = [invoke("hash-key", "--random", "--admin") for _ in range(2)]

    made = [result.stderr.split()[-1] for result in results]
    for key, result in zip(made, results, strict=True):
        assert api_keys.read(result.stdout) == (
            api_keys.ApiKey(Caller("key-1", is_admin=True), api_keys.digest_of(key)),
        )
    assert len(set(made)) == 2
    assert min(map(len, made)) >= 40


def test_a_key_as_an_argument_is_refused_and_not_repeated(invoke: Invoke) -> None:
    result = invoke("hash-key", KEY)

    assert result.exit_code == 2
    assert "A key is no argument" in result.stderr
    assert KEY not in result.output


@pytest.mark.parametrize(
    ("key", "name", "message"),
    [("short", "", "random characters"), ("x" * 5000, "", "at most"), (KEY, "admin", "A name is made of")],
)
def test_what_cant_be_a_key_or_a_name_is_refused_in_one_line(
    invoke: Invoke, key: str, name: str, message: str
) -> None:
    result = invoke("hash-key", "--name", name, input=key)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
