"""A replica without a model, as a program: it behaves as the `init` of its spec says.

does     "serve", or one of the faults below
gate     a file that has to exist before it is ready
report   a file that gets its command and its environment
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from aylien_model_serving.rpc.control_framing import MessageDecoder, encode
from aylien_model_serving.rpc.control_messages import Command, Load, Status
from aylien_model_serving.rpc.flight_recorder import FlightRecorder

LONG = 3000


def main(descriptor: int) -> None:
    supervisor, decoder = socket.socket(fileno=descriptor), MessageDecoder(Command)
    (command,) = decoder.feed(supervisor.recv(65536))
    assert command.spec is not None
    options: dict[str, Any] = command.spec.init
    Path(command.socket).touch()
    if "report" in options:
        report = {"command": msgspec.to_builtins(command), "environ": dict(os.environ), "pid": os.getpid()}
        Path(options["report"]).write_text(json.dumps(report))
    supervisor.sendall(encode(Status(state="loading")))
    while "gate" in options and not Path(options["gate"]).exists():
        time.sleep(0.01)
    ACTIONS[options.get("does", "serve")](supervisor, command)
    while data := supervisor.recv(65536):
        for later in decoder.feed(data):
            if later.drain is not None:
                return
            if later.heartbeat:
                supervisor.sendall(encode(Status(heartbeat=True)))
            if later.load:
                supervisor.sendall(encode(Status(load=Load())))


def serve(supervisor: socket.socket, command: Command) -> None:
    supervisor.sendall(encode(Status(state="ready")))


def fail(supervisor: socket.socket, command: Command) -> None:
    supervisor.sendall(encode(Status(failed="x" * LONG + "ValueError: no such model")))
    sys.exit(1)


def die(supervisor: socket.socket, command: Command) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def never_ready(supervisor: socket.socket, command: Command) -> None:
    """Load for ever."""


def be_stuck(supervisor: socket.socket, command: Command) -> None:
    """Ignore everything: signals, the supervisor's commands, and its end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    serve(supervisor, command)
    while True:
        signal.pause()


def run_for_ever(supervisor: socket.socket, command: Command) -> None:
    FlightRecorder(command.record, slots=1, capacity=1).begin_run([1])
    be_stuck(supervisor, command)


def have_a_child(supervisor: socket.socket, command: Command) -> None:
    assert command.spec is not None
    child = subprocess.Popen(["sleep", "1000"], pass_fds=(supervisor.fileno(),))
    Path(command.spec.init["child"]).write_text(str(child.pid))
    serve(supervisor, command)


def violate_the_protocol(supervisor: socket.socket, command: Command) -> None:
    supervisor.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def import_code(supervisor: socket.socket, command: Command) -> None:
    supervisor.sendall(encode(Status(code={"/model.py": (1, 2)})))
    serve(supervisor, command)


ACTIONS = {
    "import code": import_code,
    "serve": serve,
    "fail": fail,
    "die": die,
    "never ready": never_ready,
    "be stuck": be_stuck,
    "run for ever": run_for_ever,
    "have a child": have_a_child,
    "violate the protocol": violate_the_protocol,
}

if __name__ == "__main__":
    main(int(sys.argv[1]))
