"""Pencil drawings: what is as bright as its surroundings becomes white, and edges are drawn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

WHITE = 255


def draw(grey: NDArray[np.uint8], radius: float) -> Any:
    """Return the drawing of an image.

    The image is divided by its blurred copy, which image editors call colour dodge: what is left is each
    pixel's brightness relative to its surroundings.

    Args:
        grey: rows x columns, from 0 (black) to 255 (white).
        radius: of the blur, in pixels.
    """
    image = Image.fromarray(grey)
    surroundings = np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32)
    ratio = grey.astype(np.float32) / np.maximum(surroundings, 1.0)
    return np.rint(np.clip(ratio * WHITE, 0, WHITE)).astype(np.uint8)
