"""The characters example: the network, its texts alone and together, and the service that streams them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from aylien_model_serving import Done
from aylien_model_serving.app_factory import InvalidRequest
from examples.characters.app import MAX_ACTIVE, PIECE, Characters
from tests.selection import full
from tests.services.serving import PROJECT, Service, serve
from tests.with_torch import import_torch

#: Nats for each character: what a guess by how often each occurs comes to is 3.0.
GREATEST_LOSS = 2.0

#: Of a training that is part of every run, in which the loss is still greater.
FEW_STEPS = 40


@pytest.fixture(scope="module")
def model() -> Any:
    import_torch()
    from examples.characters import model

    return model


@pytest.fixture(scope="module")
def characters(model: Any, caches: Path) -> Characters:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "STEPS", FEW_STEPS)
        return Characters()


def write(characters: Characters, *states: Any) -> list[str]:
    """Return the texts of calls that begin together."""
    texts = [""] * len(states)
    active = list(enumerate(states))
    while active:
        items = characters.step([state for _, state in active])
        for (number, _), item in zip(active, items, strict=True):
            texts[number] += item.item if isinstance(item, Done) else item
        active = [call for call, item in zip(active, items, strict=True) if not isinstance(item, Done)]
    return texts


def loss_of(model: Any, network: Any, text: str) -> float:
    torch = import_torch()
    numbers = model.numbers_of(text)
    with torch.inference_mode():
        logits, _ = network(numbers[None, :-1])
    return float(torch.nn.functional.cross_entropy(logits[0], numbers[1:]))


def test_a_training_makes_the_text_likelier(model: Any, characters: Characters) -> None:
    text = model.load_text()[:5000]

    assert loss_of(model, characters.network, text) < loss_of(model, model.Network(), text) - 1


@full
def test_the_network_that_is_kept_has_learned_more_than_how_often_characters_occur(model: Any) -> None:
    text = model.load_text()
    tenth = len(text) // 10

    network = model.train_network(text[tenth:])

    assert loss_of(model, network, text[:tenth]) < GREATEST_LOSS


def test_the_text_is_there_in_any_python(model: Any) -> None:
    text = model.load_text()

    assert len(text) > 100_000
    assert set(text) <= set(model.VOCABULARY)


@pytest.mark.parametrize("length", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_a_text_has_as_many_characters_as_asked_for(model: Any, characters: Characters, length: int) -> None:
    [text] = write(characters, characters.start("The ", length))

    assert len(text) == length
    assert set(text) <= set(model.VOCABULARY)


def test_each_text_of_a_step_is_what_it_is_alone(characters: Characters) -> None:
    asked = [("The ", 20, 0), ("class", 200, 1), ("x", 3 * PIECE, 2), ("The ", 20, 3)]

    together = write(characters, *(characters.start(*each) for each in asked))
    alone = [write(characters, characters.start(*each))[0] for each in asked]

    assert together == alone
    assert together[0] != together[3]


def test_a_call_that_joins_later_writes_what_it_would_have_written_before(characters: Characters) -> None:
    first, later = characters.start("The ", 500), characters.start("A class", PIECE, 5)
    characters.step([first])

    items = characters.step([first, later])

    assert isinstance(items[1], Done)
    assert [items[1].item] == write(characters, characters.start("A class", PIECE, 5))


def test_a_prompt_of_characters_that_it_does_not_know_is_refused(characters: Characters) -> None:
    with pytest.raises(InvalidRequest, match="printable ASCII"):
        characters.start("naïve")


def test_the_next_start_loads_what_is_kept(
    model: Any, characters: Characters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "train_network", lambda text: pytest.fail("trained again"))

    again = Characters()

    asked = ("The ", 100, 7)
    assert write(again, again.start(*asked)) == write(characters, characters.start(*asked))


def test_importing_the_app_does_not_load_torch() -> None:
    program = "import examples.characters.app, sys; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "torch" not in done.stdout.split()


@pytest.fixture
def service(characters: Characters, caches: Path) -> Iterator[Service]:
    app = "examples.characters.app:run_app()"
    with serve(app, worker_class="asgi", env={"XDG_CACHE_HOME": str(caches)}, ready="/readyz") as service:
        yield service


@full
@pytest.mark.processes
def test_the_service_writes_for_many_clients_in_each_step(service: Service) -> None:
    length = 100 * PIECE

    def events(seed: int) -> list[str]:
        body = {"length": length, "seed": seed}
        answer = client.post("/", json=body, headers={"Accept": "text/event-stream"})
        return answer.text.strip().split("\n\n")

    with httpx.Client(base_url=service.url, timeout=60) as client, ThreadPoolExecutor(MAX_ACTIVE) as pool:
        texts = list(pool.map(events, range(MAX_ACTIVE)))
        refused = [client.post("/", json=body) for body in ({"length": 0}, {"prompt": ""}, {"prompt": "ï"})]
        sizes = client.get("/__runners").json()["Characters"][0]["batch_sizes"]

    assert [len(text) for text in texts] == [100] * MAX_ACTIVE
    assert len(set(map(str, texts))) == MAX_ACTIVE
    assert [answer.status_code for answer in refused] == [400] * 3
    assert max(map(int, sizes)) > 1
