"""The messages of the gRPC service, compared with those that Triton's client was generated with."""

import json
import subprocess

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from aylien_model_serving.open_inference import messages
from tests.with_inference_clients import find_program

_PROGRAM = (
    "import json; from google.protobuf.descriptor_pb2 import FileDescriptorProto as F\n"
    "from tritonclient.grpc import service_pb2 as s; f = F(); s.DESCRIPTOR.CopyToProto(f)\n"
    "print(json.dumps(f.SerializeToString().hex()))"
)


def fields(message: DescriptorProto, prefix: str = "") -> dict[str, tuple[int, int, int, str]]:
    name = f"{prefix}{message.name}"
    found = {
        f"{name}.{each.name}": (each.number, each.type, each.label, each.type_name) for each in message.field
    }
    for nested in message.nested_type:
        found |= fields(nested, f"{name}.")
    return found


def signatures(file: FileDescriptorProto) -> dict[str, tuple[str, str, bool, bool]]:
    return {
        each.name: (each.input_type, each.output_type, each.client_streaming, each.server_streaming)
        for each in file.service[0].method
    }


@pytest.mark.processes
@pytest.mark.full
def test_the_fields_have_the_numbers_and_types_of_triton() -> None:
    python = find_program("tritonclient")
    done = subprocess.run([python, "-c", _PROGRAM], capture_output=True, text=True, timeout=100, check=True)
    theirs = FileDescriptorProto.FromString(bytes.fromhex(json.loads(done.stdout)))
    known = {name: form for message in theirs.message_type for name, form in fields(message).items()}

    ours = {name: form for message in messages.file().message_type for name, form in fields(message).items()}

    assert ours
    assert {name: known.get(name) for name in ours} == ours
    methods = signatures(theirs)
    assert signatures(messages.file()) == {name: methods[name] for name in messages.METHODS}


def test_an_application_may_have_messages_of_the_same_names() -> None:
    pool = DescriptorPool()
    pool.AddSerializedFile(messages.file().SerializeToString())

    theirs = pool.FindMessageTypeByName("inference.ModelInferRequest")

    assert messages.message_class("ModelInferRequest").DESCRIPTOR is not theirs


def test_a_parameter_has_one_value() -> None:
    parameter = messages.message_class("InferParameter")(int64_param=3)

    parameter.string_param = "x"

    assert parameter.WhichOneof("parameter_choice") == "string_param"
