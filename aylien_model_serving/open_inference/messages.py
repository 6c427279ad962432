"""The messages of the protocol's gRPC service, `inference.GRPCInferenceService`.

Pure. They are made here, in a pool of their own: an application may have loaded a client's module of the same
names, and one pool takes neither two such files nor two such messages.
(https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md;
streams and the further parameters are those of Triton's server.)
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

#: The methods of the service; the last one takes and returns streams.
METHODS = (
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "RepositoryIndex",
    "ModelStreamInfer",
)
STREAM_METHOD = METHODS[-1]

_MODEL = "string name, string version"
_TENSOR = "string name, string datatype, int64* shape"
_PARAMETERS = "InferParameter@ parameters"

#: The fields of each message in the order of their numbers: "*" marks those that are repeated, "@" maps by
#: texts, and "|" members of a oneof.
_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready",
    "ModelReadyRequest": _MODEL,
    "ModelReadyResponse": "bool ready",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": f"{_MODEL}, string* extensions",
    "ModelMetadataRequest": _MODEL,
    "ModelMetadataResponse": "string name, string* versions, string platform, .TensorMetadata* inputs, "
    ".TensorMetadata* outputs",
    "ModelMetadataResponse.TensorMetadata": _TENSOR,
    "InferParameter": "bool| bool_param, int64| int64_param, string| string_param, double| double_param, "
    "uint64| uint64_param",
    "InferTensorContents": "bool* bool_contents, int32* int_contents, int64* int64_contents, "
    "uint32* uint_contents, uint64* uint64_contents, float* fp32_contents, double* fp64_contents, "
    "bytes* bytes_contents",
    "ModelInferRequest": "string model_name, string model_version, string id, "
    f"{_PARAMETERS}, .InferInputTensor* inputs, .InferRequestedOutputTensor* outputs, "
    "bytes* raw_input_contents",
    "ModelInferRequest.InferInputTensor": f"{_TENSOR}, {_PARAMETERS}, InferTensorContents contents",
    "ModelInferRequest.InferRequestedOutputTensor": f"string name, {_PARAMETERS}",
    "ModelInferResponse": "string model_name, string model_version, string id, "
    f"{_PARAMETERS}, .InferOutputTensor* outputs, bytes* raw_output_contents",
    "ModelInferResponse.InferOutputTensor": f"{_TENSOR}, {_PARAMETERS}, InferTensorContents contents",
    "ModelStreamInferResponse": "string error_message, ModelInferResponse infer_response",
    "RepositoryIndexRequest": "string repository_name, bool ready",
    "RepositoryIndexResponse": ".ModelIndex* models",
    "RepositoryIndexResponse.ModelIndex": f"{_MODEL}, string state, string reason",
}

_TYPES = {
    name: FieldDescriptorProto.Type.Value(f"TYPE_{name.upper()}")
    for name in ("bool", "bytes", "double", "float", "int32", "int64", "string", "uint32", "uint64")
}


@cache
def file() -> FileDescriptorProto:
    """Return the file that defines the service, as protobuf describes it."""
    found = FileDescriptorProto(name="open_inference.proto", package=PACKAGE, syntax="proto3")
    made: dict[str, DescriptorProto] = {}
    for name, fields in _MESSAGES.items():
        outer, _, own = name.rpartition(".")
        message = made[outer].nested_type.add(name=own) if outer else found.message_type.add(name=own)
        made[name] = message
        for number, text in enumerate(filter(None, fields.split(", ")), 1):
            _add_field(message, f".{PACKAGE}.{name}", number, *text.split(" "))
    service = found.service.add(name=SERVICE.rpartition(".")[2])
    for name in METHODS:
        is_stream = name == STREAM_METHOD
        request = "ModelInferRequest" if is_stream else f"{name}Request"
        service.method.add(
            name=name,
            input_type=f".{PACKAGE}.{request}",
            output_type=f".{PACKAGE}.{name}Response",
            client_streaming=is_stream,
            server_streaming=is_stream,
        )
    return found


def _add_field(message: DescriptorProto, owner: str, number: int, kind: str, name: str) -> None:
    mark = kind[-1] if kind[-1] in "*@|" else ""
    kind = kind.removesuffix(mark)
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if mark in ("*", "@") and mark else field.LABEL_OPTIONAL
    if mark == "@":
        entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        _add_field(entry, owner, 1, "string", "key")
        _add_field(entry, owner, 2, kind, "value")
        field.type, field.type_name = field.TYPE_MESSAGE, f"{owner}.{entry.name}"
    elif kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type = field.TYPE_MESSAGE
        field.type_name = f"{owner}{kind}" if kind.startswith(".") else f".{PACKAGE}.{kind}"
    if mark == "|":
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0


@cache
def message_class(name: str) -> Any:
    """Return the class of a message, by its name within the package."""
    return GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    pool.AddSerializedFile(file().SerializeToString())
    return pool
