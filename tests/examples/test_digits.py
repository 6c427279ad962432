"""The digits example: the network, its cached weights, and the service with its runner and batches."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from aylien_model_serving.app_factory import InvalidRequest
from examples.digits.app import BLANK, Digits
from tests.selection import full
from tests.services.serving import PROJECT, Service, launch
from tests.with_torch import import_torch

LEAST_ACCURACY = 0.97
WRONG_SHAPES = [[], [[0.0] * 8] * 7, [[0.0] * 8] * 7 + [[0.0] * 9], [[1.0]] * 8]


@pytest.fixture(scope="module")
def model() -> Any:
    import_torch()
    from examples.digits import model

    return model


@pytest.fixture(scope="module")
def held_out(model: Any) -> Any:
    return model.load_data()[1]


@pytest.fixture(scope="module")
def digits(caches: Path) -> Digits:
    return Digits()


@pytest.fixture
def weights(digits: Digits, caches: Path) -> Path:
    """The file of the cached weights."""
    return caches / "model-serving-digits" / "weights.pt"


@pytest.fixture
def trainings(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list that grows by one with each training, which is left out."""
    found: list[Any] = []
    monkeypatch.setattr(model, "train_network", lambda data: found.append(data) or model.build_network())
    return found


def test_held_out_digits_are_classified(digits: Digits, held_out: Any) -> None:
    answers = digits(held_out.images.tolist())

    right = [answer["digit"] == label for answer, label in zip(answers, held_out.labels, strict=True)]
    assert len(right) == 360
    assert sum(right) / len(right) > LEAST_ACCURACY
    assert all(0.1 <= answer["probability"] <= 1 for answer in answers)


def test_no_image_that_is_held_out_is_trained_on(model: Any, held_out: Any) -> None:
    training, again = model.load_data()

    seen = {image.tobytes() for image in training.images}
    assert len(training.labels) + len(held_out.labels) == 1797
    assert (again.images == held_out.images).all()
    assert not seen & {image.tobytes() for image in held_out.images}


def test_an_invalid_image_fails_without_the_rest_of_its_batch(digits: Digits, held_out: Any) -> None:
    good = held_out.images[:3].tolist()
    alone = digits(good)

    answers = digits([good[0], *WRONG_SHAPES, good[1], [[17.0] * 8] * 8, good[2]])

    assert [answers[0], answers[5], answers[7]] == alone
    assert all(isinstance(answer, InvalidRequest) for answer in answers[1:5])
    assert str(answers[1]) == "pixels has to be 8 rows of 8 numbers"
    assert str(answers[6]) == "A pixel is a number from 0 to 16"


def test_a_batch_without_any_valid_image_gets_an_error_for_each(digits: Digits) -> None:
    [answer] = digits([[]])

    assert isinstance(answer, InvalidRequest)


def test_the_network_is_optimized(digits: Digits) -> None:
    digits([BLANK])

    assert digits.network.report == ("evaluation and inference mode", "float32 on cpu", "channels last")


def test_the_next_start_loads_the_cached_weights(weights: Path, trainings: list[Any], held_out: Any) -> None:
    again = Digits()

    assert not trainings
    assert again(held_out.images[:1].tolist())[0]["digit"] == held_out.labels[0]


def test_the_cache_folder_is_open_to_its_user_alone(weights: Path) -> None:
    weights.parent.chmod(0o755)

    Digits()

    assert stat.S_IMODE(weights.parent.stat().st_mode) == 0o700
    assert {path.name for path in weights.parent.iterdir()} == {"lock", "weights.pt"}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing more", b"\x80\x04N.", "half"])
def test_a_broken_weights_file_is_trained_again(
    model: Any,
    weights: Path,
    trainings: list[Any],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: Any,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    broken = tmp_path / "model-serving-digits" / "weights.pt"
    broken.parent.mkdir()
    whole = weights.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2] if content == "half" else content)

    Digits()
    Digits()

    assert len(trainings) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_processes_that_start_together_train_once(
    model: Any, trainings: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    together = threading.Barrier(3, timeout=30)

    def start(_: int) -> None:
        together.wait()
        model.load_network()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(start, range(3)))

    assert len(trainings) == 1


def test_a_training_is_the_same_each_time_and_leaves_random_numbers_alone(model: Any) -> None:
    torch = import_torch()
    training, _ = model.load_data()
    few = model.Digits(training.images[:64], training.labels[:64])
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)

    one, other = (model.train_network(few).state_dict() for _ in range(2))

    assert torch.equal(torch.rand(1), expected)
    for name, weight in one.items():
        torch.testing.assert_close(weight, other[name])


def test_importing_the_app_does_not_load_torch() -> None:
    program = "import examples.digits.app, sys; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert not {"torch", "sklearn", "numpy"} & set(done.stdout.split())


@pytest.fixture
def service(caches: Path, tmp_path: Path) -> Iterator[Service]:
    """The example as `make example-service` starts it, with this interpreter in place of make's own."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    for stamp in (".serving", ".torch"):
        (tmp_path / "venv" / stamp).touch()
    command = ["make", f"VENV={tmp_path / 'venv'}", "PORT={port}", "NUM_WORKERS=2", "example-service"]
    command.append("COMMAND_UNCACHED=examples.digits.app:run_app()")
    with launch(command, env={"XDG_CACHE_HOME": str(caches)}, ready="/readyz") as service:
        yield service


@full
@pytest.mark.processes
def test_the_service_classifies_held_out_digits_in_batches(service: Service, held_out: Any) -> None:
    images = held_out.images[:100].tolist()

    def post(image: Any) -> httpx.Response:
        return client.post("/", json={"pixels": image})

    with httpx.Client(base_url=service.url) as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, [*images, *WRONG_SHAPES]))
        wrong_type = client.post("/", json={"pixels": [["ink"]]})

    read = [answer.json() for answer in answers[:100]]
    assert {answer.status_code for answer in answers[:100]} == {200}
    assert all(set(answer) == {"digit", "probability"} for answer in read)
    right = [answer["digit"] == label for answer, label in zip(read, held_out.labels[:100], strict=True)]
    assert sum(right) > LEAST_ACCURACY * len(right)
    assert {answer.status_code for answer in answers[100:]} == {400}
    assert answers[100].json()["error"] == "pixels has to be 8 rows of 8 numbers"
    assert (wrong_type.status_code, wrong_type.json()["code"]) == (400, "schema_mismatch")
