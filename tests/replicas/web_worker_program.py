"""A web worker as a program: `python -m tests.replicas.web_worker_program <home> <owner's pid>`.

It prints "started", waits for a line, hosts a stub, and prints the replica once it is ready.
"""

import queue
import sys
from pathlib import Path

import msgspec

from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
from aylien_model_serving.rpc.control_messages import Replica
from aylien_model_serving.rpc.spec import Spec
from tests.replicas.stub_service import STUB_COMMAND

SPEC = Spec(name="hosted", target="stub:stub", devices="cpu")


def main(home: str, owner_pid: str) -> None:
    client = SupervisorClient(Path(home), int(owner_pid), STUB_COMMAND)
    print("started", flush=True)  # noqa: T201 - this is what the program is for
    sys.stdin.readline()
    updates: queue.Queue[list[Replica]] = queue.Queue()
    client.host(SPEC, updates.put)
    while not (replicas := updates.get()) or replicas[0].state != "ready":
        pass
    print(msgspec.json.encode(replicas[0]).decode(), flush=True)  # noqa: T201 - as above
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
