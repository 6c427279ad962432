"""What is measured: a case is a list of workloads, run one after the other on one freshly started server."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench import bodies

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
WORKERS = 2
CONNECTIONS = 16
CONNECTIONS_OF_LARGE = 4  # few: a slow server finishes the requests of the warm-up before the measurement
LEAST_SECONDS_OF_LARGE = 5.0  # so that a slow server gives responses to count in a quick run too
SWEEP = (1, 4, 16, 64, 256)
CONNECTIONS_OF_BATCHED = 64  # as many as fill one batch
CONNECTIONS_OF_DIGITS = 192  # while one batch of 64 runs, enough requests are queued to fill the next
MODEL_BYTES = 400_000_000  # of the case `memory`
WORKERS_OF_MEMORY = 4

Check = Callable[[bytes], bool]


@dataclass(frozen=True)
class Workload:
    """One request, repeated over `connections` concurrent connections for at least `least_seconds`.

    `check` returns whether a response's body is correct. `label` is unique within the case.
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
    """A named part of the comparison; a peer that does not support its first workload is left out.

    `name` is also the value of BENCH_CASE that the peers' services read. `peers` are the names of the peers
    that are measured, all servers if it is empty. `workers` is the number of processes that serve HTTP, for
    servers that can be configured.
    """

    name: str
    title: str
    workloads: tuple[Workload, ...]
    peers: tuple[str, ...] = ()
    workers: int = WORKERS


def _echo_workload(label: str = "echo", path: str = "/echo") -> Workload:
    return Workload(label, path, bodies.compact(bodies.ECHO), JSON, _is_echo)


def _article_workload(connections: int = CONNECTIONS) -> Workload:
    body = bodies.compact(bodies.ARTICLE)
    return Workload(f"c{connections}", "/validated", body, JSON, _is_verdict, connections)


def _json_floats_workload() -> Workload:
    return _large_body_workload(
        "json", "/floats", bodies.compact({"values": bodies.floats()}), JSON, _are_doubled
    )


def _binary_floats_workload() -> Workload:
    body = bodies.packed_doubles(bodies.floats())
    workload = _large_body_workload("binary", "/binary", body, "application/octet-stream", _are_doubled_bytes)
    return replace(workload, accept="*/*")


def _upload_workload() -> Workload:
    content = bodies.image()
    body = bodies.multipart("image", "noise.png", "image/png", content)
    media_type = f"multipart/form-data; boundary={bodies.BOUNDARY}"
    return _large_body_workload(
        "upload", "/upload", body, media_type, lambda body: _is_size(body, len(content))
    )


def _batched_workload() -> Workload:
    workload = _echo_workload(f"c{CONNECTIONS_OF_BATCHED}", "/batched")
    return replace(workload, connections=CONNECTIONS_OF_BATCHED)


def _digits_workload() -> Workload:
    body = bodies.compact({"pixels": bodies.pixels()})
    return Workload(f"c{CONNECTIONS_OF_DIGITS}", "/digits", body, JSON, _is_digit, CONNECTIONS_OF_DIGITS)


def _composed_workload() -> Workload:
    return Workload("c16", "/composed", bodies.compact(bodies.ECHO), JSON, _is_echo_of_both)


def _overhead_workloads() -> tuple[Workload, ...]:
    labels = ("inline", "hosted", "hosted-batched")
    return tuple(replace(_echo_workload(label, f"/{label}"), connections=1) for label in labels)


def _memory_workload() -> Workload:
    return Workload("c16", "/weights", bodies.compact(bodies.ECHO), JSON, lambda a: _is_size(a, MODEL_BYTES))


def _large_body_workload(label: str, path: str, body: bytes, content_type: str, check: Check) -> Workload:
    workload = Workload(label, path, body, content_type, check, CONNECTIONS_OF_LARGE)
    return replace(workload, least_seconds=LEAST_SECONDS_OF_LARGE)


def _is_echo(body: bytes) -> bool:
    return bool(json.loads(body) == bodies.ECHO)


def _is_echo_of_both(body: bytes) -> bool:
    return bool(json.loads(body) == {"first": bodies.ECHO["text"], "second": bodies.ECHO["text"]})


def _is_verdict(body: bytes) -> bool:
    verdict = json.loads(body)
    confidence = verdict.pop("confidence")
    expected = {name: value for name, value in bodies.VERDICT.items() if name != "confidence"}
    return bool(verdict == expected) and math.isclose(confidence, 0.71, rel_tol=1e-6)


def _are_doubled(body: bytes) -> bool:
    return doubled(json.loads(body)["values"])


def _are_doubled_bytes(body: bytes) -> bool:
    return doubled(bodies.unpacked_doubles(body))


def _is_size(body: bytes, size: int) -> bool:
    return bool(json.loads(body) == {"size": size})


def _is_digit(body: bytes) -> bool:
    return json.loads(body)["digit"] in range(10)


def doubled(values: list[float]) -> bool:
    """Return whether the values are those of the request, each times two."""
    return values == [2 * value for value in bodies.floats()]


OURS = ("ours-gevent", "ours-asgi", "ours-granian-wsgi", "ours-granian-asgi")
COMPOSING = ("bentoml-async", "ray-serve")
BATCHING = ("litserve", "mosec", "bentoml-def", "ray-serve")
BARE_ASGI = ("bare-asgi", "bare-granian-asgi")

CASES = (
    Case("echo", "Tiny echo", (_echo_workload(),)),
    Case("validated", "Nested JSON of 100 bytes, validated both ways", (_article_workload(),)),
    Case(
        "connections",
        "The same with 1 to 256 connections",
        tuple(_article_workload(connections) for connections in SWEEP),
    ),
    Case(
        "floats",
        "1 MB array of floats in and out, JSON and binary",
        (_json_floats_workload(), _binary_floats_workload()),
    ),
    Case("upload", "1 MB image upload, multipart", (_upload_workload(),)),
    Case(
        "cached",
        "A cached response, and the echo that it saves",
        (_echo_workload("cached", "/cached"), _echo_workload()),
    ),
    Case(
        "batched",
        "Batches of up to 64 that take 5 ms, one model, 64 connections",
        (_batched_workload(),),
        (*OURS, *BATCHING, *BARE_ASGI),
    ),
    Case(
        "digits",
        "A torch model at full load, and a plain loop over full batches of 64",
        (_digits_workload(),),
        (*OURS, "offline"),
    ),
    Case(
        "composed",
        "Two models of 5 ms, called in parallel by a handler",
        (_composed_workload(),),
        (*OURS, *COMPOSING),
    ),
    Case("overhead", "One connection, idle model, inline and hosted", _overhead_workloads(), OURS),
    Case(
        "memory",
        "A model of 400 MB, four workers, one replica",
        (_memory_workload(),),
        OURS,
        WORKERS_OF_MEMORY,
    ),
)
