"""The same on Ray Serve: one replica behind its gRPC proxy."""

import signal
import sys
from typing import Any

import grpc
import ray
from google.protobuf.source_context_pb2 import SourceContext
from ray import serve
from ray.serve.config import gRPCOptions


def add_echo(servicer: Any, server: Any) -> None:
    """Add the service to a server, as generated code does."""
    method = grpc.unary_unary_rpc_method_handler(
        servicer.Echo, SourceContext.FromString, SourceContext.SerializeToString
    )
    handlers = grpc.method_handlers_generic_handler("google.protobuf.ModelService", {"Echo": method})
    server.add_generic_rpc_handlers((handlers,))


@serve.deployment(num_replicas=1, max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.5})
class Model:
    async def Echo(self, message: SourceContext) -> SourceContext:  # the method's name
        return SourceContext(file_name=message.file_name)


def main(port: int, http_port: int) -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    serve.start(
        http_options={"host": "127.0.0.1", "port": http_port},
        grpc_options=gRPCOptions(port=port, grpc_servicer_functions=["bench.rpc.ray_server.add_echo"]),
    )
    model: Any = Model  # of whose decorator nothing is known here
    serve.run(model.bind(), name="bench", route_prefix="/bench")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
