"""The value of the key 'schema' where it is a method of a service that a .proto defines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass


@dataclass(frozen=True)
class RPCSchema:
    """The messages of a method; the attributes are named as those of a schema's module.

    Args:
        method: the method.
        Request: message type of what it takes.
        Response: message type of what it returns.
    """

    method: MethodDescriptor
    Request: type[Message]
    Response: type[Message]


def read(value: Any) -> Any:
    """Return the schema that a value of the key stands for; of all but methods it is the value itself."""
    if not isinstance(value, MethodDescriptor):
        return value
    return RPCSchema(value, GetMessageClass(value.input_type), GetMessageClass(value.output_type))
