"""The definition of a service, as text and as descriptors that protobuf itself reads."""

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from aylien_model_serving.service_definition.definition import ServiceDefinition
from tests.service_definition.test_methods import SPEECH, methods, say, spell
from tests.services.speech_pb2 import Letter, Text

GENERATED = {"endpoint": "/say", "callable": say, "name": "say_it", "schema": (Text, Text)}
DEFINED = {"endpoint": "/say-so", "callable": say, "name": "so", "schema": SPEECH["Say"]}
STREAM = {"endpoint": "/spell", "callable": spell, "name": "letters", "schema": (Letter, Text)}


def test_the_text_of_a_generated_service_imports_the_files_of_its_messages() -> None:
    definition = ServiceDefinition(methods(GENERATED, DEFINED, STREAM))

    assert definition.proto == (
        'syntax = "proto3";\n\npackage speech;\n\nimport "tests/services/speech.proto";\n\n'
        "service ModelService {\n"
        "  rpc SayIt(.speech.Text) returns (.speech.Text);\n"
        "  rpc Letters(.speech.Letter) returns (stream .speech.Text);\n"
        "}\n"
    )


def test_nothing_is_generated_where_the_users_proto_has_all_methods() -> None:
    definition = ServiceDefinition(methods(DEFINED))

    assert definition.proto is None
    assert [file.name for file in definition.files] == ["tests/services/speech.proto"]


def test_the_descriptors_are_complete_and_in_order() -> None:
    definition = ServiceDefinition(methods(GENERATED, DEFINED))
    pool = DescriptorPool()

    for file in FileDescriptorSet.FromString(definition.descriptor_set).file:
        pool.AddSerializedFile(file.SerializeToString())

    assert definition.services == ["speech.ModelService", "speech.Speech"]
    found = pool.FindServiceByName("speech.ModelService").methods_by_name["SayIt"]
    assert found.input_type.full_name == "speech.Text"


def test_the_pool_is_not_the_processes_own() -> None:
    pool = ServiceDefinition(methods(GENERATED)).pool()

    assert pool.FindMessageTypeByName("speech.Text") is not Text.DESCRIPTOR
