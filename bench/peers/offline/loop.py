"""The torch model in a plain loop over full batches: what a server at full load can reach at most."""

import json
import os
import statistics
import time

import torch
from digits_model import GREATEST_GREY, SIDE_PIXELS, DigitsModel

BATCH_SIZE = 64
WARMUP_BATCHES = 5


def main() -> None:
    """Run batches for BENCH_SECONDS, and print the images per second as wrk prints requests."""
    model = DigitsModel()
    pixels = torch.randint(0, GREATEST_GREY + 1, (BATCH_SIZE, SIDE_PIXELS**2)).float()
    for _ in range(WARMUP_BATCHES):
        model.digits(pixels)
    micros: list[float] = []
    end = time.monotonic() + float(os.environ["BENCH_SECONDS"])
    while time.monotonic() < end:
        began = time.monotonic_ns()
        model.digits(pixels)
        micros.append((time.monotonic_ns() - began) / 1000)
    print("RESULT " + json.dumps(_summary(micros)))


def _summary(micros: list[float]) -> dict[str, object]:
    """The latency of a picture is that of its batch; percentiles beyond the 99th are the slowest batch's."""
    cuts = statistics.quantiles(micros, n=100, method="inclusive")
    latency = {str(percent): cuts[percent - 1] for percent in (1, 5, 10, 25, 50, 75, 90, 95, 99)}
    latency["99.9"] = max(micros)
    counts = {"requests": len(micros) * BATCH_SIZE, "status": 0, "socket": 0, "timeout": 0}
    return {**counts, "micros": sum(micros), "latency": latency}


if __name__ == "__main__":
    main()
