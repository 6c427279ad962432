"""The least that a server of gRPC's own for asyncio does: it parses the message, and returns it."""

import asyncio
import sys

import grpc
from google.protobuf.source_context_pb2 import SourceContext


async def echo(message: SourceContext, _: object) -> SourceContext:
    return SourceContext(file_name=message.file_name)


async def main(port: int) -> None:
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(
        echo, SourceContext.FromString, SourceContext.SerializeToString
    )
    handlers = grpc.method_handlers_generic_handler("google.protobuf.ModelService", {"Echo": method})
    server.add_generic_rpc_handlers([handlers])
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
