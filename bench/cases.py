"""What is measured: a case is a list of shots, fired one after the other at one freshly started server."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench import bodies

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
CONNECTIONS = 16
CONNECTIONS_OF_LARGE = 4  # few: a slow server ends its warm-up's requests before the measurement
LEAST_SECONDS_OF_LARGE = 5.0  # so that a slow server has answers to count in a quick run too
SWEEP = (1, 4, 16, 64, 256)

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

    `name` also is what the peers' services read as BENCH_CASE.
    """

    name: str
    title: str
    shots: tuple[Shot, ...]


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


def doubled(values: list[float]) -> bool:
    """Whether the values are those of the request, each times two."""
    return values == [2 * value for value in bodies.floats()]


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
)
