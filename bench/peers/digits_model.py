"""A convolutional network for digits, of which a batch of 64 takes tens of milliseconds on one thread.

The service and the plain loop share it. It is untrained: what is measured is time.
"""

import torch
from torch import nn

SIDE_PIXELS = 8
GREATEST_GREY = 16
CHANNELS = 128
CLASSES = 10
SEED = 7
THREADS = 1


class DigitsModel:
    """Classifies images of digits, on the CPU, always with one thread."""

    def __init__(self) -> None:
        torch.set_num_threads(THREADS)
        torch.manual_seed(SEED)
        self.network = nn.Sequential(
            nn.Conv2d(1, CHANNELS, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(CHANNELS * SIDE_PIXELS**2, CLASSES),
        ).eval()

    def digits(self, pixels: torch.Tensor) -> list[int]:
        """Return the digit in each image of a (count, 64) tensor of greys."""
        pictures = pixels.view(-1, 1, SIDE_PIXELS, SIDE_PIXELS) / GREATEST_GREY
        with torch.inference_mode():
            found: list[int] = self.network(pictures).argmax(1).tolist()
        return found
