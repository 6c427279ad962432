"""`python -m bench.inprocess`: what each layer costs, in process and interleaved, in µs and ratios."""

import argparse
import io
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.core.messages import Call
from aylien_model_serving.dispatch.pipeline import answer, run_steps
from aylien_model_serving.schemas.compiled import compile_accepts
from bench import bodies
from bench.results import Spread, machine, spread, today
from examples import example_schema_pb2

PATH = "/validated"
BODY = bodies.compact(bodies.ARTICLE)
BATCH_SECONDS = 0.05  # of one measurement: long for the clock, short for other work of the machine


@dataclass(frozen=True)
class Layer:
    """Code to time, and the layer that its time is compared with.

    Args:
        name: in the table.
        call: runs it once.
        above: the layer whose time is subtracted or divided by.
    """

    name: str
    call: Callable[[], object]
    baseline: str | None = None


def handler(
    id: str = "",  # noqa: A002 - the field's name in the schema
    title: str = "",
    body: str = "",
    enrichments: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Answer a constant verdict."""
    return dict(bodies.VERDICT)


def layers() -> list[Layer]:
    """Return what is timed: validators, the pipeline, a bare WSGI app and the WSGI fast path."""
    app = FlaskAppWrapper.create_app(
        [{"endpoint": PATH, "callable": handler, "methods": ["POST"], "schema": example_schema_pb2}]
    )
    found = app.route_table.find(PATH, "POST")
    if found is None:
        raise RuntimeError(f"no route for {PATH}")
    headers = {"content-type": "application/json", "accept": "*/*"}
    call = Call("POST", PATH, "", headers, BODY, {}, "bench")
    accepts_request = compile_accepts(example_schema_pb2.Request.DESCRIPTOR)
    accepts_response = compile_accepts(example_schema_pb2.Response.DESCRIPTOR)

    def parse_both() -> object:
        ParseDict(bodies.ARTICLE, example_schema_pb2.Request())
        return ParseDict(bodies.VERDICT, example_schema_pb2.Response())

    def check_both() -> bool:
        return accepts_request(bodies.ARTICLE) and accepts_response(bodies.VERDICT)

    if not check_both():
        raise RuntimeError("the compiled validator falls back to ParseDict for the example")
    return [
        Layer("ParseDict, request and response", parse_both),
        Layer("compiled validator, the same", check_both, baseline="ParseDict, request and response"),
        Layer("pipeline.answer, validated both ways", lambda: run_steps(answer(found.endpoint, call))),
        Layer("bare WSGI app", lambda: _wsgi(_bare)),
        Layer("WSGI fast path", lambda: _wsgi(app), baseline="bare WSGI app"),
    ]


def measure(timed: Iterable[Layer], rounds: int) -> dict[str, list[float]]:
    """Return microseconds per call of each layer, one number per round, all layers once in each round."""
    timed = list(timed)
    counts = {layer.name: _calls_of(layer.call) for layer in timed}
    times: dict[str, list[float]] = {layer.name: [] for layer in timed}
    for _ in range(rounds):
        for layer in timed:
            times[layer.name].append(_micros(layer.call, counts[layer.name]))
    return times


def compared(times: dict[str, list[float]], layer: Layer) -> tuple[Spread | None, Spread | None]:
    """Return by how many µs a layer is slower than its baseline, and how many times faster it is."""
    if layer.baseline is None:
        return None, None
    pairs = list(zip(times[layer.name], times[layer.baseline], strict=True))
    return spread(own - other for own, other in pairs), spread(other / own for own, other in pairs)


def _bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _wsgi(app: Any) -> list[bytes]:
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "HTTP_HOST": "127.0.0.1",
        "HTTP_ACCEPT": "application/json",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(BODY),
        "wsgi.errors": sys.stderr,
    }
    return list(app(environ, _start_response))


def _start_response(
    status: str, headers: list[tuple[str, str]], exc_info: object = None
) -> Callable[[bytes], object]:
    if not status.startswith("200"):
        raise RuntimeError(status)
    return io.BytesIO().write


def _calls_of(call: Callable[[], object]) -> int:
    """Return the number of calls that take BATCH_SECONDS."""
    count = 1
    while (micros := _micros(call, count) * count) < BATCH_SECONDS * 1e6 / 10:
        count *= 2
    return max(1, round(count * BATCH_SECONDS * 1e6 / micros))


def _micros(call: Callable[[], object], count: int) -> float:
    begin = time.perf_counter_ns()
    for _ in range(count):
        call()
    return (time.perf_counter_ns() - begin) / count / 1000


def main() -> None:
    """Measure, print, and write the numbers to the file of --output."""
    parser = argparse.ArgumentParser(prog="python -m bench.inprocess", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--output", type=Path, help="a JSON file for the numbers")
    options = parser.parse_args()
    timed = layers()
    times = measure(timed, options.rounds)
    print(f"{today()}, {machine()}; {options.rounds} rounds, medians (smallest-greatest)")
    for layer in timed:
        values = times[layer.name]
        span = f"{statistics.median(values):8.2f} µs ({min(values):.2f}-{max(values):.2f})"
        print(f"{layer.name:38} {span}{_comparison(times, layer)}")
    if options.output:
        document = {"date": today(), "machine": machine(), "micros": times}
        options.output.write_text(json.dumps(document, indent=1) + "\n")


def _comparison(times: dict[str, list[float]], layer: Layer) -> str:
    more, faster = compared(times, layer)
    if more is None or faster is None:
        return ""
    times_faster = f", {faster.median:.1f} times as fast" if faster.median > 1 else ""
    return f"   against {layer.baseline}: {more.median:+.2f} µs{times_faster}"


if __name__ == "__main__":
    main()
