"""What Ray Serve is told of a deployment; nothing of Ray is needed for it."""

import pytest

from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.ray_options import RayOptions
from aylien_model_serving.replicas.cluster import deploying
from aylien_model_serving.rpc.spec import Spec


def test_the_options_of_a_runner_become_those_of_a_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = RayOptions((0, 8), 2.0, 0.5, 16, 1.0, 30.0)
    spec = Spec(name="a", target="b:c", ray=ray, env={"A": "1"}, timeout=100.0)

    options = deploying.options_of(spec, {"working_dir": ".", "env_vars": {"A": "0", "B": "2"}})

    actor, scale = options["ray_actor_options"], options["autoscaling_config"]
    assert (actor["num_cpus"], actor["num_gpus"]) == (2.0, 0.5)
    assert actor["runtime_env"]["working_dir"] == "."
    assert {name: actor["runtime_env"]["env_vars"][name] for name in "AB"} == {"A": "1", "B": "2"}
    assert (scale["min_replicas"], scale["initial_replicas"], scale["max_replicas"]) == (0, 1, 8)
    assert (scale["target_ongoing_requests"], options["max_ongoing_requests"]) == (16, 32)
    assert (scale["upscale_delay_s"], scale["downscale_delay_s"]) == (1.0, 30.0)
    assert options["graceful_shutdown_timeout_s"] == 100.0


def test_as_many_replicas_as_are_always_there_are_not_scaled() -> None:
    spec = Spec(name="a", target="b:c", ray=RayOptions((3, 3)), batching=BatchOptions(8))

    options = deploying.options_of(spec, {})

    assert (options["num_replicas"], options["max_ongoing_requests"]) == (3, 4)
    assert "autoscaling_config" not in options


def test_settings_go_along_and_secrets_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_LOG_FORMAT", "json")
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "me:hush")
    monkeypatch.setenv("MODEL_SERVING_WEBHOOK_SECRET", "hush")
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "postgresql://me:hush@host/jobs")
    monkeypatch.setenv("MODEL_SERVING_RAY_ADDRESS", "127.0.0.1:1")

    options = deploying.options_of(Spec(name="a", target="b:c", ray=RayOptions()), {})

    variables = options["ray_actor_options"]["runtime_env"]["env_vars"]
    ours = {name: text for name, text in variables.items() if name.startswith("MODEL_SERVING_")}
    assert ours["MODEL_SERVING_LOG_FORMAT"] == "json"
    assert "hush" not in str(options)
    assert "MODEL_SERVING_RAY_ADDRESS" not in ours
