"""Secrets: neither shown nor inherited."""

import dataclasses
import traceback

import pytest

from aylien_model_serving.core import secrets
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.opening import open_store

HELD = Settings(
    api_keys=("alpha-key", "beta-key"),
    webhook_secret="sign-with-this",
    jobs_url="redis://user:pass/w:o@rd@store:6379/0",
)
SECRETS = ("alpha-key", "beta-key", "sign-with-this", "pass", "rd@", "user")


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r:>5}".format])
def test_settings_show_no_secret(show: object) -> None:
    assert callable(show)
    shown = show(HELD)

    assert [secret for secret in SECRETS if secret in shown] == []
    assert "url_max_mb=32" in shown
    assert "jobs_url='redis://***@store:6379/0'" in shown


def test_settings_say_which_secrets_are_set() -> None:
    assert "webhook_secret=***" in repr(HELD)
    assert "api_keys=()" in repr(Settings())
    assert "webhook_secret=None" in repr(Settings())


def test_every_setting_is_shown() -> None:
    assert [each.name for each in dataclasses.fields(Settings) if f"{each.name}=" not in repr(HELD)] == []


def refuse(_: str) -> None:
    raise ValueError("expected what redis://:hunter2@host/ is not")


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("api_keys", "alpha-key"),
        ("webhook_secret", "alpha-key"),
        ("jobs_url", "redis://:alpha-key@host"),
        ("max_body_mb", "redis://:alpha-key@host"),
    ],
)
def test_a_refusal_shows_no_secret(monkeypatch: pytest.MonkeyPatch, setting: str, text: str) -> None:
    monkeypatch.setattr("aylien_model_serving.core.setting_readers.READERS", {setting: refuse})
    variable = f"MODEL_SERVING_{setting.upper()}"

    with pytest.raises(ConfigurationError, match=f"^{variable}") as raised:
        Settings.load({variable: text})

    shown = "".join(traceback.format_exception(raised.value))
    assert "alpha-key" not in shown
    assert "hunter2@" not in str(raised.value)


def test_a_refusal_shows_no_more_than_the_start_of_a_long_value() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Settings.load({"MODEL_SERVING_LOG_FORMAT": "x" * 100_000})

    assert len(str(raised.value)) < 400


def test_the_refusal_of_a_store_shows_no_password() -> None:
    with pytest.raises(ConfigurationError, match="no store of jobs") as raised:
        open_store("redis://:secret@host/0")

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:password@host:1/0", "redis://***@host:1/0"),
        ("redis://user:pass@word@host", "redis://***@host"),
        ("postgres://u:a/b@h/d and http://x", "postgres://***@h/d and http://x"),
        ("postgresql://h/d?user=u&password=a%2Fb&x=1", "postgresql://h/d?user=u&password=***&x=1"),
        ("postgresql://h/d?sslPassword=key", "postgresql://h/d?sslPassword=***"),
        ("http://host/path", "http://host/path"),
        ("mail@example.org", "mail@example.org"),
    ],
)
def test_the_passwords_of_urls_are_hidden(text: str, shown: str) -> None:
    assert secrets.without_passwords(text) == shown


def test_a_child_process_gets_no_secret_variable() -> None:
    environ = {
        "PATH": "/bin",
        "MODEL_SERVING_LOG_FORMAT": "json",
        "MODEL_SERVING_API_KEYS": "alpha",
        "MODEL_SERVING_API_KEYS_FILE": "/run/keys",
        "MODEL_SERVING_WEBHOOK_SECRET": "beta",
        "MODEL_SERVING_JOBS_URL": "redis://:gamma@host",
        "MODEL_SERVING_CACHE_URL": "redis://host?password=epsilon",
        "THEIR_OWN_URL": "redis://:delta@host",
    }

    assert secrets.without_secrets(environ) == {
        "PATH": "/bin",
        "MODEL_SERVING_LOG_FORMAT": "json",
        "THEIR_OWN_URL": "redis://:delta@host",
    }
