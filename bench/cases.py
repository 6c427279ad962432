"""What is measured: a case is a list of shots, fired one after the other at one freshly started server."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench import bodies

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
WORKERS = 2
CONNECTIONS = 16
CONNECTIONS_OF_LARGE = 4  # few: a slow server ends its warm-up's requests before the measurement
LEAST_SECONDS_OF_LARGE = 5.0  # so that a slow server has answers to count in a quick run too
SWEEP = (1, 4, 16, 64, 256)
CONNECTIONS_OF_BATCHED = 64  # as many as fill one batch
CONNECTIONS_OF_DIGITS = 192  # while one batch of 64 runs, the next has company enough to be full
MODEL_BYTES = 400_000_000  # of the case `memory`
WORKERS_OF_MEMORY = 4

Check = Callable[[bytes], bool]


@dataclass(frozen=True)
class Shot:
    """One request, repeated over `connections` connections at once.

    `check` says whether an answer's body is right. `label` names the shot within its case. It is fired for
    `least_seconds` at least.
    """

    label: str
    path: str
    body: bytes
    content_type: str
    check: Check
    connections: int = CONNECTIONS
    accept: str = JSON
    least_seconds: float = 0.0


@dataclass(frozen=True)
class Case:
    """A named piece of the comparison; who can't do its first shot is left out, the others are optional.

    `name` also is what the peers' services read as BENCH_CASE. `peers` names who takes part; all servers if
    it is empty. `workers` is how many processes speak HTTP, where a server can be told.
    """

    name: str
    title: str
    shots: tuple[Shot, ...]
    peers: tuple[str, ...] = ()
    workers: int = WORKERS


def _shot_of_echo(label: str = "echo", path: str = "/echo") -> Shot:
    return Shot(label, path, bodies.compact(bodies.ECHO), JSON, _is_echo)


def _shot_of_article(connections: int = CONNECTIONS) -> Shot:
    body = bodies.compact(bodies.ARTICLE)
    return Shot(f"c{connections}", "/validated", body, JSON, _is_verdict, connections)


def _shot_of_floats() -> Shot:
    return _large("json", "/floats", bodies.compact({"values": bodies.floats()}), JSON, _are_doubled)


def _shot_of_packed_floats() -> Shot:
    body = bodies.packed_doubles(bodies.floats())
    shot = _large("binary", "/binary", body, "application/octet-stream", _are_doubled_bytes)
    return replace(shot, accept="*/*")


def _shot_of_image() -> Shot:
    content = bodies.image()
    body = bodies.multipart("image", "noise.png", "image/png", content)
    media_type = f"multipart/form-data; boundary={bodies.BOUNDARY}"
    return _large("upload", "/upload", body, media_type, lambda answer: _is_size(answer, len(content)))


def _shot_of_batched() -> Shot:
    shot = _shot_of_echo(f"c{CONNECTIONS_OF_BATCHED}", "/batched")
    return replace(shot, connections=CONNECTIONS_OF_BATCHED)


def _shot_of_digits() -> Shot:
    body = bodies.compact({"pixels": bodies.pixels()})
    return Shot(f"c{CONNECTIONS_OF_DIGITS}", "/digits", body, JSON, _is_digit, CONNECTIONS_OF_DIGITS)


def _shots_of_one_connection() -> tuple[Shot, ...]:
    labels = ("inline", "hosted", "hosted-batched")
    return tuple(replace(_shot_of_echo(label, f"/{label}"), connections=1) for label in labels)


def _shot_of_weights() -> Shot:
    return Shot("c16", "/weights", bodies.compact(bodies.ECHO), JSON, lambda a: _is_size(a, MODEL_BYTES))


def _large(label: str, path: str, body: bytes, content_type: str, check: Check) -> Shot:
    shot = Shot(label, path, body, content_type, check, CONNECTIONS_OF_LARGE)
    return replace(shot, least_seconds=LEAST_SECONDS_OF_LARGE)


def _is_echo(answer: bytes) -> bool:
    return bool(json.loads(answer) == bodies.ECHO)


def _is_verdict(answer: bytes) -> bool:
    given = json.loads(answer)
    confidence = given.pop("confidence")
    wanted = {name: value for name, value in bodies.VERDICT.items() if name != "confidence"}
    return bool(given == wanted) and math.isclose(confidence, 0.71, rel_tol=1e-6)


def _are_doubled(answer: bytes) -> bool:
    return doubled(json.loads(answer)["values"])


def _are_doubled_bytes(answer: bytes) -> bool:
    return doubled(bodies.unpacked_doubles(answer))


def _is_size(answer: bytes, size: int) -> bool:
    return bool(json.loads(answer) == {"size": size})


def _is_digit(answer: bytes) -> bool:
    return json.loads(answer)["digit"] in range(10)


def doubled(values: list[float]) -> bool:
    """Whether the values are those of the request, each times two."""
    return values == [2 * value for value in bodies.floats()]


OURS = ("ours-gevent", "ours-asgi", "ours-granian-wsgi", "ours-granian-asgi")
BATCHING = ("litserve", "mosec", "bentoml-def", "ray-serve")
BARE_ASGI = ("bare-asgi", "bare-granian-asgi")

CASES = (
    Case("echo", "Tiny echo", (_shot_of_echo(),)),
    Case("validated", "Nested JSON of 100 bytes, validated both ways", (_shot_of_article(),)),
    Case(
        "connections",
        "The same with 1 to 256 connections",
        tuple(_shot_of_article(connections) for connections in SWEEP),
    ),
    Case(
        "floats",
        "1 MB array of floats in and out, JSON and binary",
        (_shot_of_floats(), _shot_of_packed_floats()),
    ),
    Case("upload", "1 MB image upload, multipart", (_shot_of_image(),)),
    Case(
        "cached",
        "A cached answer beside the echo that it saves",
        (_shot_of_echo("cached", "/cached"), _shot_of_echo()),
    ),
    Case(
        "batched",
        "Batches of up to 64 that take 5 ms, one model, 64 connections",
        (_shot_of_batched(),),
        (*OURS, *BATCHING, *BARE_ASGI),
    ),
    Case(
        "digits",
        "A torch model at full load, and a plain loop over full batches of 64",
        (_shot_of_digits(),),
        (*OURS, "offline"),
    ),
    Case("overhead", "One connection, idle model, inline and hosted", _shots_of_one_connection(), OURS),
    Case(
        "memory",
        "A model of 400 MB, four workers, one replica",
        (_shot_of_weights(),),
        OURS,
        WORKERS_OF_MEMORY,
    ),
)
