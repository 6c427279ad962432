"""The network that continues a text: trained in seconds at the first start, and kept in a folder.

It learns from Python's own language reference, which is in every Python as the topics of `help()`.
"""

from pydoc_data.topics import topics

import torch
from torch import nn

from examples.weights import load_or_train, seeded_single_thread

#: The characters that it knows: those of ASCII that are printed.
VOCABULARY = "".join(map(chr, range(ord(" "), ord("~") + 1)))

UNITS = 96

STEPS = 300
BATCH_SIZE = 32
LENGTH = 48  # characters of a sequence that it is trained on
LEARNING_RATE = 0.01


class Network(nn.Module):  # type: ignore[misc]  # torch is not always there for mypy
    """A gated recurrent unit between an embedding of characters and their logits."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(VOCABULARY), UNITS)
        self.recurrent = nn.GRU(UNITS, UNITS, batch_first=True)
        self.output = nn.Linear(UNITS, len(VOCABULARY))

    def forward(
        self, characters: torch.Tensor, hidden: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of what follows each character, and the hidden state after the last.

        Args:
            characters: their numbers, of shape (n, length).
            hidden: the state before them, of shape (1, n, units); None for the begin of a text.
        """
        features, hidden = self.recurrent(self.embedding(characters), hidden)
        return self.output(features), hidden


def numbers_of(text: str) -> torch.Tensor:
    """Return the number of each character in the vocabulary."""
    return torch.tensor([VOCABULARY.index(character) for character in text])


def load_text() -> str:
    """Return the text to learn from, its characters those of the vocabulary."""
    text = " ".join(" ".join(topics.values()).split())
    return "".join(character for character in text if character in VOCABULARY)


def load_network() -> nn.Module:
    """Return the trained network, from the cache folder where it is there."""
    return load_or_train("model-serving-characters", Network, lambda: train_network(load_text()))


def train_network(text: str) -> nn.Module:
    """Return a trained network: always the same one on one machine."""
    with seeded_single_thread():
        network = Network()
        windows = numbers_of(text).unfold(0, LENGTH + 1, 1)
        optimizer = torch.optim.AdamW(network.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
        for _ in range(STEPS):
            sequences = windows[torch.randint(len(windows), (BATCH_SIZE,))]
            logits, _ = network(sequences[:, :-1])
            loss = nn.functional.cross_entropy(logits.transpose(1, 2), sequences[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network
