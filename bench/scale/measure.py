"""`python -m bench.scale.measure`: how long the handler of `examples.img2img` takes for a photograph.

It writes service_times.json, from which the simulation draws. The sizes are log-normal, as those of what
people upload are: half of them have less than 4 megapixels, and one in twenty more than 14.
"""

import io
import json
import math
import random
import time

import numpy as np
from PIL import Image

from aylien_model_serving import ImageFile
from bench import results
from bench.scale.service_times import MEASURED
from examples.img2img.app import draw_image

CALLS, WARM_UP = 200, 5
QUANTILES = 41
MEDIAN_MEGAPIXELS, SPREAD = 4.0, 0.75
LARGEST_MEGAPIXELS = 15.9  # what a service decodes unless it is told otherwise
SEED = 1


def main() -> None:
    """Measure, and write the file."""
    source = random.Random(SEED)
    times = [_seconds(source) for _ in range(WARM_UP + CALLS)][WARM_UP:]
    found = [float(np.quantile(times, place / (QUANTILES - 1))) for place in range(QUANTILES)]
    measured = {
        "handler": "examples.img2img.app:draw_image",
        "calls": CALLS,
        "date": results.today(),
        "machine": results.machine(),
        "quantiles_s": [round(seconds, 4) for seconds in found],
    }
    MEASURED.write_text(json.dumps(measured, indent=1) + "\n")
    print(f"mean {sum(times) / CALLS:.3f} s, median {found[QUANTILES // 2]:.3f} s, longest {found[-1]:.3f} s")


def _seconds(source: random.Random) -> float:
    """Return the seconds of one call with a photograph of its own size."""
    megapixels = min(LARGEST_MEGAPIXELS, MEDIAN_MEGAPIXELS * math.exp(source.gauss(0.0, SPREAD)))
    photograph = ImageFile.from_bytes(_photograph(megapixels, source.randrange(2**31)), "image/jpeg")
    began = time.perf_counter()
    draw_image(photograph)
    return time.perf_counter() - began


def _photograph(megapixels: float, seed: int) -> bytes:
    """Return a JPEG of 3:2 with shapes of all colours, which is as much work to decode as a photograph."""
    height = round(math.sqrt(megapixels * 1e6 * 2 / 3))
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 36, 3), np.uint8)
    image = Image.fromarray(coarse).resize((height * 3 // 2, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
