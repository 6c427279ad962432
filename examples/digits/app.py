r"""Handwritten digits: a PyTorch network in a process of its own, which classifies images in batches.

make COMMAND_UNCACHED='examples.digits.app:run_app()' example-service
curl localhost:8000/ -d '{"pixels": [
    [0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0], [0, 3, 15, 2, 0, 11, 8, 0],
    [0, 4, 12, 0, 0, 8, 8, 0], [0, 5, 8, 0, 0, 9, 8, 0], [0, 4, 11, 0, 1, 12, 7, 0],
    [0, 2, 14, 5, 10, 12, 0, 0], [0, 0, 6, 13, 10, 0, 0, 0]]}'
"""

from typing import Any

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from aylien_model_serving.optimize import optimize

SIDE = 8  # pixels
BRIGHTEST = 16.0

BLANK = [[0.0] * SIDE] * SIDE


class Digits:
    """Classifies images of digits.

    Args:
        device: where the network runs; the runner passes "cuda:0" if there is a GPU.
    """

    def __init__(self, device: str = "cpu") -> None:
        # Web workers import this file for its type hints; only the replica builds the class and loads torch.
        from examples.digits import model

        self.to_tensor = model.to_tensor
        self.network = optimize(model.load_network(), device=device)

    def __call__(self, pixels: list[list[list[float]]]) -> list[dict[str, Any] | InvalidRequest]:
        """Return the digit in each image of a batch, and its probability, from 0 to 1.

        Args:
            pixels: for each image eight rows of eight pixels, from 0 (paper) to 16 (ink).
        """
        errors = [validation_error(image) for image in pixels]
        valid = [image for image, error in zip(pixels, errors, strict=True) if error is None]
        digits = iter(self.classify(valid))
        return [next(digits) if error is None else error for error in errors]

    def classify(self, images: list[list[list[float]]]) -> list[dict[str, Any]]:
        """Return the digits in valid images."""
        if not images:
            return []
        probabilities, digits = self.network(self.to_tensor(images)).softmax(dim=1).max(dim=1)
        return [
            {"digit": digit, "probability": round(probability, 4)}
            for digit, probability in zip(digits.tolist(), probabilities.tolist(), strict=True)
        ]


def validation_error(image: list[list[float]]) -> InvalidRequest | None:
    """Return the error for the client, if an image is not valid."""
    if len(image) != SIDE or any(len(row) != SIDE for row in image):
        return InvalidRequest(f"pixels has to be {SIDE} rows of {SIDE} numbers")
    if any(not 0 <= pixel <= BRIGHTEST for row in image for pixel in row):
        return InvalidRequest(f"A pixel is a number from 0 to {BRIGHTEST:g}")
    return None


def run_app() -> Flask:
    """Return the app that the server serves."""
    return FlaskAppWrapper.create_app(
        [
            {
                "endpoint": "/",
                "callable": Digits,
                "methods": ["POST"],
                "runner": True,
                "batch": {"max_size": 64},
                "warmup": {"pixels": BLANK},
            }
        ]
    )
