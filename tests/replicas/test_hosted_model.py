"""What runs in a replica on a Ray cluster, without Ray: messages of calls in, messages of replies out."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import ConfigurationError, HandlerFailed
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.ray_options import RayOptions
from aylien_model_serving.process import lifecycle
from aylien_model_serving.replicas.cluster import applications
from aylien_model_serving.replicas.cluster.hosted_model import HostedModel
from aylien_model_serving.rpc import cluster_messages, portable_spec, protocol
from aylien_model_serving.rpc.fingerprints import MAIN
from aylien_model_serving.rpc.spec import Spec, import_name_of
from tests.replicas import cluster_models
from tests.web.asgi_client import NEEDS_A_LOOP


@pytest.fixture(autouse=True)
def _is_no_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget that this process has been one."""
    monkeypatch.setattr(lifecycle, "is_replica", False)
    monkeypatch.setattr(lifecycle, "loaded", lambda: None)


def hosted(target: Callable[..., Any], **fields: Any) -> HostedModel:
    spec = Spec.of_process(name="model", target=import_name_of(target), ray=RayOptions(), **fields)
    return HostedModel(applications.portable(spec, "1"))


def message(*fields: dict[str, Any], deadline: float | None = None) -> bytes:
    frames = []
    for number, values in enumerate(fields):
        call = Call("POST", "/", "", {}, json.dumps(values).encode(), {}, f"id-{number}", deadline)
        frame = protocol.decode_frame(b"".join(protocol.encode_call(number, call, False)))
        frames.append(cluster_messages.encode_call(number, frame, frame.header.seconds_left, suspect=False))
    return b"".join(frames)


def answers(message: bytes) -> list[protocol.Frame]:
    _, frames = cluster_messages.decode_replies(message)
    return [
        protocol.decode_frame(b"".join(piece.renumbered(piece.number)))
        for piece in cluster_messages.pieces(frames)
    ]


async def streamed(model: HostedModel, message: bytes) -> list[protocol.Frame]:
    return [frame async for part in model.stream(message) for frame in answers(part)]


@NEEDS_A_LOOP
def test_the_calls_of_a_message_join_batches_and_each_has_its_reply() -> None:
    model = hosted(cluster_models.Doubler, batching=BatchOptions(8), init={"by": 3})

    replies = asyncio.run(model(message({"n": 1}, {"n": "x"}, {"n": 5})))

    found = {frame.number: (frame.header.status, json.loads(frame.body)) for frame in answers(replies)}
    counts, _ = cluster_messages.decode_replies(replies)
    assert [found[0][1]["n"], found[2][1]["n"]] == [3, 15]
    assert (found[1][0], found[1][1]["request_id"]) == (400, "id-1")
    assert [sum(size for size, _ in counts.runs), len(counts.waits)] == [2, 2]


@NEEDS_A_LOOP
def test_a_call_whose_time_is_up_is_answered_so() -> None:
    model = hosted(cluster_models.slow)

    [reply] = answers(asyncio.run(model(message({"seconds": 0.2}, deadline=time.monotonic() + 0.05))))

    assert reply.header.status == 504


@NEEDS_A_LOOP
def test_a_stream_comes_in_parts() -> None:
    frames = asyncio.run(streamed(hosted(cluster_models.count, streams=("",)), message({"n": 40})))

    assert [frame.kind for frame in frames] == [protocol.STREAM, *[protocol.ITEM] * 40, protocol.END]
    assert json.loads(frames[-2].body) == {"number": 39}


@NEEDS_A_LOOP
def test_a_stream_that_no_hint_tells_of_comes_whole() -> None:
    frames = answers(asyncio.run(hosted(cluster_models.unhinted)(message({"n": 2}))))

    assert [frame.kind for frame in frames] == [protocol.STREAM, *[protocol.ITEM] * 2, protocol.END]


@NEEDS_A_LOOP
def test_a_stream_that_nobody_takes_is_made_no_further() -> None:
    async def take_one(model: HostedModel) -> None:
        parts = model.stream(message({"n": 1_000_000}))
        await anext(parts)
        await parts.aclose()  # type: ignore[attr-defined]  # it is a generator

    model = hosted(cluster_models.count, streams=("",))

    asyncio.run(take_one(model))
    [reply, *_] = asyncio.run(streamed(model, message({"n": 1})))

    assert reply.header.status == 200


def test_a_handler_that_is_not_well_fails_the_health_check() -> None:
    model = hosted(cluster_models.slow)
    model.check_health()

    model._report_unhealthy("it is too cold")

    with pytest.raises(HandlerFailed, match="it is too cold"):
        model.check_health()


def test_a_spec_for_other_machines_has_nothing_of_this_one() -> None:
    spec = Spec.of_process(
        name="a", target=import_name_of(cluster_models.slow), webhook_secret="hush", generation=3
    )

    encoded = applications.portable(spec, "2.4")

    found = applications.restored(encoded)
    assert (found.sys_path, found.folder, found.version, found.generation) == ((), "/", "2.4", 0)
    assert b"hush" not in encoded


def test_what_is_in_the_program_that_was_started_is_on_no_other_machine() -> None:
    with pytest.raises(ConfigurationError, match="put it into a module"):
        applications.portable(Spec(name="a", target=f"{MAIN}:f", main="/a.py"), "1")


def test_names_of_applications_can_be_taken_apart() -> None:
    name = applications.name_of("my:service", "rank/items", "1.0.2")
    other = applications.name_of("my-service", "rank/items", "1.0.2")

    assert name != other
    found = applications.parsed(name)
    assert found is not None
    assert str(found) == name
    assert applications.parsed("default") is None
    assert applications.name_of("a", "b", "1.2") == "a:b:1.2"


def test_a_service_on_ray_has_a_name_and_its_code_a_version() -> None:
    with pytest.raises(ConfigurationError, match="MODEL_SERVING_SERVICE_NAME"):
        applications.name_of(None, "rank", "1")
    with pytest.raises(ConfigurationError, match="MODEL_SERVING_VERSION"):
        portable_spec.version_of(None, "tests_of_nobody:f")
    assert portable_spec.version_of("4", "tests_of_nobody:f") == "4"
    assert portable_spec.version_of(None, "pytest:raises").startswith(pytest.__version__)
