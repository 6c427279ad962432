"""Settings: what an operator may configure, and which values stop the service."""

import dataclasses

import pytest

from aylien_model_serving.core import api_keys
from aylien_model_serving.core.settings import Settings, slips
from aylien_model_serving.errors import ConfigurationError


def test_without_variables_the_defaults_hold() -> None:
    assert Settings.load({}) == Settings()
    assert Settings().max_body_bytes == 32 * 1024 * 1024


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_MAX_BODY_MB", "0.5")

    assert Settings.load().max_body_bytes == 512 * 1024


@pytest.mark.parametrize(
    ("variable", "text", "setting", "value"),
    [
        ("MODEL_SERVING_MAX_BODY_MB", "64", "max_body_mb", 64.0),
        ("MODEL_SERVING_LOG_FORMAT", "JSON", "log_format", "json"),
        ("MODEL_SERVING_LOG_LEVEL", " debug ", "log_level", "DEBUG"),
        ("LOG_LEVEL", "info", "log_level", "INFO"),
        ("MODEL_SERVING_LOG_LINE_BYTES", "1024", "log_line_bytes", 1024),
        ("MODEL_SERVING_CACHE_MB", "0.5", "cache_mb", 0.5),
        ("MODEL_SERVING_CACHE_DISK_MB", "5", "cache_disk_mb", 5.0),
        ("MODEL_SERVING_EXPOSE_ERRORS", "1", "expose_errors", True),
        ("MODEL_SERVING_EXPOSE_ERRORS", "Yes", "expose_errors", True),
        ("MODEL_SERVING_EXPOSE_ERRORS", "0", "expose_errors", False),
        ("MODEL_SERVING_EXPOSE_ERRORS", "off", "expose_errors", False),
        ("MODEL_SERVING_API_KEYS", "one, two,,", "api_keys", api_keys.read("one,two")),
        ("MODEL_SERVING_OPEN", "Metrics, docs", "open", ("metrics", "docs")),
        ("MODEL_SERVING_OPEN", "", "open", ()),
        ("MODEL_SERVING_METRICS_DIR", "/tmp/m", "metrics_dir", "/tmp/m"),
        ("MODEL_SERVING_METRICS_DIR", "", "metrics_dir", None),
        ("PROMETHEUS_MULTIPROC_DIR", "/tmp/p", "metrics_dir", "/tmp/p"),
        ("MODEL_SERVING_BACKGROUND_THREADS", "4", "background_threads", 4),
        ("MODEL_SERVING_BACKGROUND_WAIT", "0.5", "background_wait", 0.5),
        ("MODEL_SERVING_URL_FETCH", "1", "url_fetch", True),
        ("MODEL_SERVING_URL_MAX_MB", "1", "url_max_mb", 1.0),
        ("MODEL_SERVING_URL_TIMEOUT", "2.5", "url_timeout", 2.5),
        ("MODEL_SERVING_MAX_IMAGE_PIXELS", "1000", "max_image_pixels", 1000),
        ("MODEL_SERVING_MAX_DECODED_MB", "8", "max_decoded_mb", 8.0),
        ("MODEL_SERVING_MAX_MEDIA_SECONDS", "60", "max_media_seconds", 60.0),
        ("MODEL_SERVING_DECODERS", "4", "decoders", 4),
        ("MODEL_SERVING_DECODE_TIMEOUT", "2.5", "decode_timeout", 2.5),
    ],
)
def test_each_variable_sets_its_field(variable: str, text: str, setting: str, value: object) -> None:
    found = Settings.load({variable: text})

    assert getattr(found, setting) == value
    assert dataclasses.replace(found, **{setting: getattr(Settings(), setting)}) == Settings()


def test_the_own_variable_takes_precedence_over_that_of_another_tool() -> None:
    found = Settings.load({"LOG_LEVEL": "debug", "MODEL_SERVING_LOG_LEVEL": "error"})

    assert found.log_level == "ERROR"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("MODEL_SERVING_MAX_BODY_MB", "many"),
        ("MODEL_SERVING_MAX_BODY_MB", "0"),
        ("MODEL_SERVING_MAX_BODY_MB", "-1"),
        ("MODEL_SERVING_MAX_BODY_MB", "nan"),
        ("MODEL_SERVING_MAX_BODY_MB", "inf"),
        ("MODEL_SERVING_MAX_BODY_MB", ""),
        ("MODEL_SERVING_MAX_IMAGE_PIXELS", "0"),
        ("MODEL_SERVING_MAX_IMAGE_PIXELS", "1.5"),
        ("MODEL_SERVING_LOG_FORMAT", "xml"),
        ("MODEL_SERVING_OPEN", "metrics,everything"),
        ("MODEL_SERVING_LOG_LEVEL", "loud"),
        ("LOG_LEVEL", "loud"),
        ("MODEL_SERVING_LOG_LINE_BYTES", "1023"),
        ("MODEL_SERVING_EXPOSE_ERRORS", "perhaps"),
        ("MODEL_SERVING_PORT", "http"),
        ("MODEL_SERVING_PORT", "65536"),
        ("MODEL_SERVING_TRUSTED_PROXIES", "10.0.0.0/8,proxy.example"),
    ],
)
def test_a_value_that_cant_be_used_stops_the_service_with_the_variables_name(
    variable: str, text: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}='{text}': .*expected"):
        Settings.load({variable: text})


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        (
            "https://App.example.com/, http://localhost:3000",
            ("https://app.example.com", "http://localhost:3000"),
        ),
        (
            "https://app.example.com:443,http://app.example.com:80",
            ("https://app.example.com", "http://app.example.com"),
        ),
        ("http://[::1]:3000", ("http://[::1]:3000",)),
        ("tauri://localhost", ("tauri://localhost",)),
        ("https://*.example.com:8443", ("https://*.example.com:8443",)),
    ],
)
def test_origins_are_read_as_browsers_write_them(text: str, origins: tuple[str, ...]) -> None:
    assert Settings.load({"MODEL_SERVING_CORS_ORIGINS": text}).cors_origins == origins


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "app.example.com",
        "https://",
        "https://app.example.com/path",
        "https://*",
        "https://a.*.example.com",
        "https://a b",
    ],
)
def test_what_is_no_origin_stops_the_service(text: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^MODEL_SERVING_CORS_ORIGINS=.*: .*name the origins|is no origin"
    ):
        Settings.load({"MODEL_SERVING_CORS_ORIGINS": text})


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", ()),
        ("*", ("*",)),
        (
            "Api.example.com., .example.com,*.example.org",
            ("api.example.com", ".example.com", "*.example.org"),
        ),
        ("10.1.2.3,10.1.0.0/16,[::1],fd00::/8", ("10.1.2.3/32", "10.1.0.0/16", "::1/128", "fd00::/8")),
        ("web,my_service", ("web", "my_service")),
    ],
)
def test_hosts_are_names_patterns_addresses_and_networks(text: str, hosts: tuple[str, ...]) -> None:
    assert Settings.load({"MODEL_SERVING_ALLOWED_HOSTS": text}).allowed_hosts == hosts


@pytest.mark.parametrize(
    "text", ["https://api.example.com", "api.example.com:8000", "a*.example.com", "**", "a b", "."]
)
def test_what_is_no_host_stops_the_service(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^MODEL_SERVING_ALLOWED_HOSTS=.* is no host"):
        Settings.load({"MODEL_SERVING_ALLOWED_HOSTS": text})


def test_a_few_settings_are_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_DECODERS", "3")
    monkeypatch.setenv("MODEL_SERVING_MAX_BODY_MB", "many")

    assert Settings.load_public("decoders", "port") == Settings(decoders=3)
    with pytest.raises(ConfigurationError, match=r"^MODEL_SERVING_MAX_BODY_MB="):
        Settings.load_public()


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("API_KEY", "API_KEYS"),
        ("APIKEYS", "API_KEYS"),
        ("API_KEY_FILE", "API_KEYS_FILE"),
        ("ALLOWED_HOST", "ALLOWED_HOSTS"),
        ("CORS_ORIGIN", "CORS_ORIGINS"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
        ("MAX_BODY", "MAX_BODY_MB"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_a_slip(variable: str, meant: str) -> None:
    slip, name = f"MODEL_SERVING_{variable}", f"MODEL_SERVING_{meant}"

    assert slips({slip: "x"}) == {slip: name}
    assert slips({slip: "x", name: "y"}) == {}


def test_variables_of_a_kubernetes_service_and_of_others_are_no_slips() -> None:
    ours = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8000_TCP", "PORT_8000_TCP_ADDR")

    assert slips({**{f"MODEL_SERVING_{name}": "x" for name in ours}, "API_KEY": "x", "PATH": "x"}) == {}


def test_host_and_port_of_a_service_of_fast_task_api_are_read_where_there_are_no_own() -> None:
    theirs = {"FTAPI_HOST": "0.0.0.0", "FTAPI_PORT": "8080"}

    assert (Settings.load(theirs).host, Settings.load(theirs).port) == ("0.0.0.0", 8080)
    assert Settings.load({**theirs, "MODEL_SERVING_PORT": "9000"}).port == 9000
    with pytest.raises(ConfigurationError, match="FTAPI_PORT='http': expected a port"):
        Settings.load({"FTAPI_PORT": "http"})


def test_settings_can_not_be_changed_later() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().expose_errors = True  # type: ignore[misc]  # that it is frozen is the point
