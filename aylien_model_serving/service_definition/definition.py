"""The definition of a service: its files as protobuf describes them, and the text of what is generated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import cast

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from aylien_model_serving.service_definition.methods import Method

#: The name of the file that is generated, and the other one where a user's own file has it.
FILE, _OTHER_FILE = "service.proto", "generated_service.proto"


class ServiceDefinition:
    """The gRPC services of an app.

    Args:
        methods: all of them.
    """

    def __init__(self, methods: Iterable[Method]) -> None:
        self.methods = list(methods)
        self._generated = [method for method in self.methods if not method.is_defined]

    @property
    def services(self) -> list[str]:
        """The full names of the services."""
        return list(dict.fromkeys(method.service for method in self.methods))

    @cached_property
    def proto(self) -> str | None:
        """The text of the generated .proto; None where the user's own have all methods."""
        if not self._generated:
            return None
        file = self._file
        return "\n".join(
            [
                'syntax = "proto3";',
                "",
                *([f"package {file.package};", ""] if file.package else []),
                *(f'import "{name}";' for name in file.dependency),
                "",
                f"service {file.service[0].name} {{",
                *(f"  {_line(method)}" for method in self._generated),
                "}",
                "",
            ]
        )

    @cached_property
    def files(self) -> list[FileDescriptorProto]:
        """All files that the services need, each after those that it imports."""
        return [*self._users_files.values(), *([self._file] if self._generated else [])]

    @cached_property
    def descriptor_set(self) -> bytes:
        """The files as a FileDescriptorSet, which protoc, grpcurl and others read."""
        return FileDescriptorSet(file=self.files).SerializeToString()

    def pool(self) -> DescriptorPool:
        """Return a pool of the files, apart from the process's own."""
        pool = DescriptorPool()
        for file in self.files:
            pool.AddSerializedFile(file.SerializeToString())
        return pool

    @cached_property
    def _users_files(self) -> dict[str, FileDescriptorProto]:
        """The files that the messages come from, by name."""
        found: dict[str, FileDescriptorProto] = {}
        for method in self.methods:
            for descriptor in _descriptors(method):
                _add(descriptor.file, found)
        return found

    @cached_property
    def _file(self) -> FileDescriptorProto:
        """The generated file."""
        package, _, name = self._generated[0].service.rpartition(".")
        imports = (descriptor.file.name for each in self._generated for descriptor in _descriptors(each))
        file = FileDescriptorProto(
            name=_OTHER_FILE if FILE in self._users_files else FILE,
            package=package,
            syntax="proto3",
            dependency=list(dict.fromkeys(imports)),
        )
        service = file.service.add(name=name)
        for method in self._generated:
            request, response = _descriptors(method)
            service.method.add(
                name=method.name,
                input_type=f".{request.full_name}",
                output_type=f".{response.full_name}",
                client_streaming=method.takes_stream,
                server_streaming=method.streams,
            )
        return file


def _line(method: Method) -> str:
    request, response = (descriptor.full_name for descriptor in _descriptors(method))
    taken, returned = ("stream " if is_stream else "" for is_stream in (method.takes_stream, method.streams))
    return f"rpc {method.name}({taken}.{request}) returns ({returned}.{response});"


def _descriptors(method: Method) -> Iterator[Descriptor]:
    yield cast(Descriptor, method.request.DESCRIPTOR)
    yield cast(Descriptor, method.response.DESCRIPTOR)


def _add(file: FileDescriptor, found: dict[str, FileDescriptorProto]) -> None:
    if file.name in found:
        return
    for dependency in file.dependencies:
        _add(dependency, found)
    copied = FileDescriptorProto()
    file.CopyToProto(copied)
    found[file.name] = copied
