"""The network that classifies digits: trained in seconds at the first start, and cached in a folder.

The data are the 1,797 images inside scikit-learn, of which a fifth is held out as a test set.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

SIDE = 8  # pixels
BRIGHTEST = 16.0

EPOCHS = 15
BATCH_SIZE = 64
LEARNING_RATE = 0.01

_log = logging.getLogger(__name__)


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
    """Return the trained network: loaded from the cache folder, or trained and saved there.

    Processes that start together take a lock in turn: one of them trains, and the others load its weights.
    """
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    with _file_lock(folder / "lock"):
        return _load_weights(folder / "weights.pt") or _train_and_save(folder / "weights.pt")


def cache_folder() -> Path:
    """Return the folder of the weights, which only its user may read."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "model-serving-digits"


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """Hold a lock on a file, which the system releases when the process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _load_weights(path: Path) -> nn.Module | None:
    network = build_network()
    try:
        network.load_state_dict(torch.load(path, weights_only=True))
    except FileNotFoundError:
        return None
    except Exception as error:  # what torch raises for a broken file depends on where it is broken
        _log.warning("%s can't be loaded, so the network is trained again: %r", path, error)
        return None
    return network


def _train_and_save(path: Path) -> nn.Module:
    training, _ = load_data()
    network = train_network(training)
    part = path.with_suffix(".part")
    torch.save(network.state_dict(), part)
    part.replace(path)
    _log.info("the network is trained and saved to %s", path)
    return network


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
    with torch.random.fork_rng(devices=[]), _single_thread():
        torch.manual_seed(0)
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


@contextmanager
def _single_thread() -> Iterator[None]:
    """Compute on one core: so small a network is hardly faster on two, and far slower if one is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _randomly_shifted(images: torch.Tensor) -> torch.Tensor:
    """Return images shifted by up to one pixel, as data augmentation."""
    down, right = torch.randint(-1, 2, (2,)).tolist()
    return images.roll((down, right), dims=(2, 3))
