"""An infer request, free of the form in which it came. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aylien_model_serving.errors import MalformedBody
from aylien_model_serving.open_inference.tensors import Tensor

#: How a request and its reply are sent: as JSON, whose tensors may follow as bytes, or as gRPC's messages.
REST, GRPC = "rest", "grpc"


class Wanted(NamedTuple):
    """What a request says of the outputs.

    Args:
        names: those that are wanted; None for all.
        binary: whether each of these is sent as bytes, by its name; "" stands for all others.
        form: `REST` or `GRPC`.
    """

    names: tuple[str, ...] | None
    binary: Mapping[str, bool]
    form: str

    def is_binary(self, name: str) -> bool:
        """Return whether an output is sent as bytes."""
        return self.binary.get(name, self.binary.get("", False))

    @property
    def key(self) -> str:
        """What tells replies to equal inputs apart."""
        return f"{self.form} {self.names!r} {sorted(self.binary.items())!r}"


class InferRequest(NamedTuple):
    """A request.

    Args:
        id: that its reply has too.
        inputs: the tensors.
        wanted: the outputs.
    """

    id: str
    inputs: Sequence[Tensor]
    wanted: Wanted


def refuse_unknown(parameters: Mapping[str, Any], place: str) -> None:
    """Refuse parameters that ask for what is not offered, since what they change can't be left out.

    Raises:
        MalformedBody: there is one.
    """
    for name, instead in _NOT_OFFERED.items():
        if parameters.get(name):
            raise MalformedBody(f"{place}: the parameter {name!r} is not understood here{instead}")


_NOT_OFFERED = {
    "shared_memory_region": ": send the data itself",
    "classification": ": leave it out, and sort the output",
    "sequence_id": ": each request stands for itself",
}
