"""The network that classifies digits: trained in seconds at the first start, and cached in a folder.

The data are the 1,797 images inside scikit-learn, of which a fifth is held out as a test set.
"""

from math import ceil
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from examples.weights import load_or_train, seeded_single_thread

SIDE = 8  # pixels
BRIGHTEST = 16.0

EPOCHS = 15
BATCH_SIZE = 64
LEARNING_RATE = 0.01


class Digits(NamedTuple):
    """Images and their labels.

    Args:
        images: an array of shape (n, 8, 8), of pixels from 0 (paper) to 16 (ink).
        labels: an array of n digits.
    """

    images: Any
    labels: Any


def load_data() -> tuple[Digits, Digits]:
    """Return the training set and the test set: the same ones each time."""
    # Not needed where the weights are cached, and scikit-learn takes longer to import than torch.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    split = train_test_split(data.images, data.target, test_size=0.2, random_state=0, stratify=data.target)
    images, held_out_images, labels, held_out_labels = split
    return Digits(images, labels), Digits(held_out_images, held_out_labels)


def to_tensor(images: Any) -> torch.Tensor:
    """Return images as the network's input: of shape (n, 1, 8, 8), from 0 to 1."""
    pixels = np.asarray(images, dtype=np.float32)  # five times as fast as torch with lists of lists
    return torch.from_numpy(pixels).reshape(-1, 1, SIDE, SIDE) / BRIGHTEST


def load_network() -> nn.Module:
    """Return the trained network, from the cache folder where it is there."""
    return load_or_train("model-serving-digits", build_network, lambda: train_network(load_data()[0]))


def build_network() -> nn.Module:
    """Return the network with random weights; its output is ten logits for each image."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32 * (SIDE // 2) ** 2, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def train_network(digits: Digits) -> nn.Module:
    """Return a trained network: always the same one on one machine."""
    with seeded_single_thread():
        network = build_network()
        images, labels = to_tensor(digits.images), torch.as_tensor(digits.labels)
        steps = EPOCHS * ceil(len(labels) / BATCH_SIZE)
        optimizer = torch.optim.AdamW(network.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(labels)).split(BATCH_SIZE):
                loss = nn.functional.cross_entropy(network(_randomly_shifted(images[batch])), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return network


def _randomly_shifted(images: torch.Tensor) -> torch.Tensor:
    """Return images shifted by up to one pixel, as data augmentation."""
    down, right = torch.randint(-1, 2, (2,)).tolist()
    return images.roll((down, right), dims=(2, 3))
