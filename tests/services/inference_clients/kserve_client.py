"""Calls a service by the clients of KServe, and prints what they got: `… http-port grpc-port`."""

import asyncio
import json
import sys
from typing import Any

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

#: Seconds between two looks whether the model is loaded.
POLL_SECONDS = 0.1


def request(*, binary: bool) -> InferRequest:
    tensor = InferInput("x", [2, 2], "FP32")
    tensor.set_data_from_numpy(np.arange(4, dtype=np.float32).reshape(2, 2), binary_data=binary)
    return InferRequest("scale", [tensor], request_id="seven")


def found(response: Any) -> list[Any]:
    return [response.id, response.outputs[0].as_numpy().tolist()]


async def is_ready(client: InferenceGRPCClient) -> bool:
    try:
        return bool(await client.is_model_ready("scale"))
    except grpc.RpcError:  # the server has not started
        return False


async def main(http_port: str, grpc_port: str) -> dict[str, Any]:
    rest, url = InferenceRESTClient(RESTConfig(protocol="v2")), f"http://127.0.0.1:{http_port}"
    stub = InferenceGRPCClient(f"127.0.0.1:{grpc_port}")
    while not (await rest.is_model_ready(url, "scale") and await is_ready(stub)):
        await asyncio.sleep(POLL_SECONDS)  # whoever started this program bounds its time
    shown = {
        "live": [await rest.is_server_live(url), await stub.is_server_live()],
        "ready": [await rest.is_server_ready(url), await stub.is_server_ready()],
        "model": [await rest.is_model_ready(url, "scale"), await stub.is_model_ready("scale")],
        "bytes": found(await rest.infer(url, request(binary=True), model_name="scale")),
        "json": found(await rest.infer(url, request(binary=False), model_name="scale")),
        "grpc": found(await stub.infer(request(binary=False))),
    }
    await stub.close()
    await rest.close()
    return shown


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(*sys.argv[1:3]))))
