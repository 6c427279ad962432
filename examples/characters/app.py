r"""Text that a recurrent network writes character by character, for up to 16 clients at the same time.

make COMMAND_UNCACHED='examples.characters.app:run_app()' example-service
curl -N localhost:8000/ -d '{"prompt": "The class", "length": 500}'                  # a line for each piece
curl -N 'localhost:8000/?prompt=The+class' -H 'Accept: text/event-stream'            # an event for each
"""

from typing import TYPE_CHECKING, Annotated

from flask import Flask
from msgspec import Meta

from aylien_model_serving import Done
from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest

if TYPE_CHECKING:
    import torch

#: Characters that a step writes for each of its calls: some milliseconds of work, and one item.
PIECE = 64

TEMPERATURE = 0.6

MAX_ACTIVE = 16


class Text:
    """What a call has come to.

    Args:
        hidden: the network's state, of shape (1, units), after all characters but the last.
        last: the number of the last character.
        chances: a random number from 0 to 1 for each character that is to be written.
    """

    def __init__(self, hidden: "torch.Tensor", last: "torch.Tensor", chances: "torch.Tensor") -> None:
        self.hidden = hidden
        self.last = last
        self.chances = chances


class Characters:
    """Continues texts, those of all its calls by one run of the network for each character.

    Args:
        device: where the network runs; the runner passes "cuda:0" if there is a GPU.
    """

    max_active = MAX_ACTIVE

    def __init__(self, device: str = "cpu") -> None:
        # Web workers import this file for its type hints; only the replica builds the class and loads torch.
        import torch

        from examples.characters import model

        self.torch = torch
        self.device = device
        self.vocabulary = model.VOCABULARY
        self.numbers_of = model.numbers_of
        self.network = model.load_network().to(device).eval()

    def start(
        self,
        prompt: Annotated[str, Meta(min_length=1, max_length=64)] = "The ",
        length: Annotated[int, Meta(ge=1, le=10_000)] = 640,
        seed: int = 0,
    ) -> Text:
        """Read a prompt, and return the state from which its text goes on.

        Args:
            prompt: what the text begins with, in printable ASCII.
            length: characters to write.
            seed: of the random numbers by which characters are drawn.
        """
        if not set(prompt) <= set(self.vocabulary):
            raise InvalidRequest("prompt has to be of printable ASCII characters")
        torch = self.torch
        numbers = self.numbers_of(prompt).to(self.device)
        chances = torch.rand(length, generator=torch.Generator().manual_seed(seed)).to(self.device)
        hidden = torch.zeros(1, 1, self.network.recurrent.hidden_size, device=self.device)
        if len(prompt) > 1:
            with torch.inference_mode():
                _, hidden = self.network(numbers[None, :-1], hidden)
        return Text(hidden[:, 0], numbers[-1], chances)

    def step(self, states: list[Text]) -> list[str | Done]:
        """Write a piece of each text, and return it."""
        torch = self.torch
        places = min(PIECE, max(len(state.chances) for state in states))
        chances = torch.zeros(len(states), places, device=self.device)
        for row, state in zip(chances, states, strict=True):
            row[: len(state.chances)] = state.chances[:places]
        hidden = torch.stack([state.hidden for state in states], dim=1)
        last = torch.stack([state.last for state in states])
        written = []
        with torch.inference_mode():
            for place in range(places):
                logits, hidden = self.network(last[:, None], hidden)
                last = self.drawn(logits[:, 0], chances[:, place])
                written.append(last)
        numbers = torch.stack(written, dim=1).tolist()
        return [
            self.written(state, hidden[:, row], last[row], numbers[row]) for row, state in enumerate(states)
        ]

    def drawn(self, logits: "torch.Tensor", chances: "torch.Tensor") -> "torch.Tensor":
        """Return the number of a character for each text: where its chance falls among the probabilities."""
        sums = (logits / TEMPERATURE).softmax(dim=1).cumsum(dim=1)
        return (sums < chances[:, None]).sum(dim=1).clamp(max=len(self.vocabulary) - 1)

    def written(
        self, state: Text, hidden: "torch.Tensor", last: "torch.Tensor", numbers: list[int]
    ) -> str | Done:
        """Return the piece of one text, as the last one where it is."""
        left = len(state.chances)
        piece = "".join(self.vocabulary[number] for number in numbers[:left])
        state.hidden, state.last, state.chances = hidden, last, state.chances[len(numbers) :]
        return piece if len(state.chances) else Done(piece)


def run_app() -> Flask:
    """Return the app that the server serves."""
    return FlaskAppWrapper.create_app(
        [
            {
                "endpoint": "/",
                "callable": Characters,
                "methods": ["GET", "POST"],
                "runner": {"env": {"OMP_NUM_THREADS": "1"}},  # so small a network is no faster on several
                "warmup": {"length": 1},
            }
        ]
    )
