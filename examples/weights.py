"""The weights of a network that is trained at the first start of an example, kept in a folder."""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

_log = logging.getLogger(__name__)


def load_or_train(name: str, build: Callable[[], nn.Module], train: Callable[[], nn.Module]) -> nn.Module:
    """Return a trained network: loaded from its folder, or trained and saved there.

    Processes that start together take a lock in turn: one of them trains, and the others load its weights.

    Args:
        name: of the folder, within that of the user's caches.
        build: returns the network with random weights.
        train: returns it with those that it has learned.
    """
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(caches) / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    with _file_lock(folder / "lock"):
        path = folder / "weights.pt"
        return _load(path, build) or _train_and_save(path, train)


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """Hold a lock on a file, which the system releases when the process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _load(path: Path, build: Callable[[], nn.Module]) -> nn.Module | None:
    network = build()
    try:
        network.load_state_dict(torch.load(path, weights_only=True))
    except FileNotFoundError:
        return None
    except Exception as error:  # what torch raises for a broken file depends on where it is broken
        _log.warning("%s can't be loaded, so the network is trained again: %r", path, error)
        return None
    return network


def _train_and_save(path: Path, train: Callable[[], nn.Module]) -> nn.Module:
    network = train()
    part = path.with_suffix(".part")
    torch.save(network.state_dict(), part)
    part.replace(path)
    _log.info("the network is trained and saved to %s", path)
    return network


@contextmanager
def seeded_single_thread() -> Iterator[None]:
    """Draw the same random numbers each time, and compute on one core.

    So small a network is hardly faster on two, and far slower if one is busy.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            yield
    finally:
        torch.set_num_threads(threads)
