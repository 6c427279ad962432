"""The network that reads digits: trained within seconds at the first start, and kept in a folder for others.

The data are the 1,797 images inside scikit-learn, of which a fifth is held out and never trained on.
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
    """Some images and what they show.

    Args:
        images: an array of shape (n, 8, 8), of pixels from 0 (paper) to 16 (ink).
        labels: an array of n digits.
    """

    images: Any
    labels: Any


def load_data() -> tuple[Digits, Digits]:
    """Return the images to train on and those held out: the same ones each time."""
    # Whoever finds the weights in the cache is spared scikit-learn, which takes longer to load than torch.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    split = train_test_split(data.images, data.target, test_size=0.2, random_state=0, stratify=data.target)
    images, held_out_images, labels, held_out_labels = split
    return Digits(images, labels), Digits(held_out_images, held_out_labels)


def as_input(images: Any) -> torch.Tensor:
    """Return images as the network wants them: of shape (n, 1, 8, 8), from 0 to 1."""
    pixels = np.asarray(images, dtype=np.float32)  # reads lists of lists five times as fast as torch does
    return torch.from_numpy(pixels).reshape(-1, 1, SIDE, SIDE) / BRIGHTEST


def load_network() -> nn.Module:
    """Return the trained network: from the cache folder, or trained and put there.

    Processes that start together take turns, so that one of them trains and the others find what it has kept.
    """
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    with _locked(folder / "lock"):
        return _kept(folder / "weights.pt") or _trained_and_kept(folder / "weights.pt")


def cache_folder() -> Path:
    """Return the folder that keeps the weights; it and whatever lies in it belong to one user."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "model-serving-digits"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _kept(path: Path) -> nn.Module | None:
    network = build_network()
    try:
        network.load_state_dict(torch.load(path, weights_only=True))
    except FileNotFoundError:
        return None
    except Exception as error:  # what torch raises for a broken file depends on where it is broken
        _log.warning("%s is not readable, so the network is trained again: %r", path, error)
        return None
    return network


def _trained_and_kept(path: Path) -> nn.Module:
    training, _ = load_data()
    network = train_network(training)
    part = path.with_suffix(".part")
    torch.save(network.state_dict(), part)
    part.replace(path)
    _log.info("the network is trained and kept in %s", path)
    return network


def build_network() -> nn.Module:
    """Return the network with random weights; it answers with ten logits for each image."""
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
    """Return a trained network: always the same one, on one machine."""
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(0)
        network = build_network()
        images, labels = as_input(digits.images), torch.as_tensor(digits.labels)
        steps = EPOCHS * ceil(len(labels) / BATCH_SIZE)
        optimizer = torch.optim.AdamW(network.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
        for _ in range(EPOCHS):
            for batch in torch.randperm(len(labels)).split(BATCH_SIZE):
                loss = nn.functional.cross_entropy(network(_shifted(images[batch])), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return network


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one core: so small a network is hardly quicker on two, and far slower if one is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _shifted(images: torch.Tensor) -> torch.Tensor:
    """Return images moved by up to one pixel, since nobody writes in the very middle."""
    down, right = torch.randint(-1, 2, (2,)).tolist()
    return images.roll((down, right), dims=(2, 3))
