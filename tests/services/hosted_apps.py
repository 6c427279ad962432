"""A service whose handlers are hosted by runners; the environment says which, and how they behave.

ROUTES names the routes, separated by commas; DIARY is a file where the models write what happens to them.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest

POLL_SECONDS = 0.01
GATE_SECONDS = 30.0

#: Options of the model's runner that the environment may give.
LIMITS = ("unresponsive_after", "kill_after")


class Model:
    """Tells which process answered, and does what a call asks for."""

    def __init__(
        self,
        device: str = "none",
        load_seconds: float = 0.0,
        load_gate: str = "",
        load_error: str = "",
        diary: str = "",
    ) -> None:
        self.device = device
        self.diary = diary
        if load_gate:
            wait_at(Path(load_gate))
        if load_error:
            raise FileNotFoundError(load_error)
        time.sleep(load_seconds)
        self.note(f"built {os.getpid()} {time.monotonic()} {started()}")

    def __call__(
        self,
        text: str = "",
        sleep: float = 0.0,
        die_if: str = "",
        refuse: bool = False,
        fail: bool = False,
        gate: str = "",
        spin_gate: str = "",
        hold: float = 0.0,
        count: int = 0,
        gates: str = "",
    ) -> Any:
        self.note(text)
        if gate:
            wait_at(Path(gate))
        if spin_gate:
            spin_at(Path(spin_gate))
        if hold:
            hold_interpreter(hold)
        time.sleep(sleep)
        if die_if and Path(die_if).exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if refuse:
            raise InvalidRequest("not this text")
        if fail:
            raise ValueError("the secret of the model")
        if count:
            return self.count_up(count, gates)
        return {"text": text, "pid": os.getpid(), "device": self.device}

    def count_up(self, count: int, gates: str) -> Iterator[dict[str, int]]:
        """Make items, each but the first when its gate is opened, and tell when the maker is closed."""
        try:
            for number in range(count):
                if gates and number:
                    wait_at(Path(gates) / str(number))
                time.sleep(POLL_SECONDS)
                yield {"number": number}
        finally:
            self.note("closed the stream")

    def close(self) -> None:
        self.note(f"closed {os.getpid()}")

    def note(self, text: str) -> None:
        if self.diary:
            with Path(self.diary).open("a") as diary:
                diary.write(f"{text}\n")


def started() -> float:
    """Return when this process started, in `time.monotonic()` seconds: field 22 of proc(5) stat."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - since_boot


def wait_at(gate: Path) -> None:
    """Tell that the call is running, and return once the test opens the gate."""
    gate.mkdir(exist_ok=True)
    (gate / "entered").touch()
    deadline = time.monotonic() + GATE_SECONDS
    while not (gate / "open").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the gate stayed shut")
        time.sleep(POLL_SECONDS)


def spin_at(gate: Path) -> None:
    """Do the same without ever letting go of the interpreter by itself."""
    (gate / "entered").touch()
    deadline = time.monotonic() + GATE_SECONDS
    while not (gate / "open").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the gate stayed shut")
        for _ in range(100_000):
            pass


def hold_interpreter(seconds: float) -> None:
    """Let no other thread of this process run, as a call of C code that keeps the interpreter's lock."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


class Batched:
    """Answers with the size of the batch that a text was part of."""

    def __call__(self, text: list[str]) -> list[Any]:
        for item in text:
            if item.startswith("gate:"):
                wait_at(Path(item.removeprefix("gate:")))
        if "death" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "exit" in text:
            sys.exit(3)
        if "poison" in text:
            raise ValueError("poison")
        if "miscount" in text:
            return [None] * (len(text) + 1)
        return [
            InvalidRequest("not this one") if item == "refuse" else {"text": item, "batch": len(text)}
            for item in text
        ]


def name_worker(text: str = "") -> dict[str, int]:
    return {"worker": os.getpid()}


def hosting() -> Flask:
    """Return a service of the routes that the environment names; of all, where it names none."""
    routes = described(os.environ)
    chosen = os.environ.get("ROUTES", ",".join(routes)).split(",")
    return FlaskAppWrapper.create_app(
        [{"endpoint": f"/{name}", "name": name} | routes[name] for name in chosen]
    )


def described(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return all routes by name, their paths left out."""
    init = {
        "load_seconds": float(environ.get("LOAD_SECONDS", "0")),
        "load_gate": environ.get("LOAD_GATE", ""),
        "load_error": environ.get("LOAD_ERROR", ""),
        "diary": environ.get("DIARY", ""),
    }
    replicas = int(environ.get("REPLICAS", "1"))
    limits = {name: float(environ[name.upper()]) for name in LIMITS if name.upper() in environ}
    several = {"init": init, "replicas": replicas, "devices": ["cpu"] * replicas, **limits}
    return {
        "model": {"callable": Model, "runner": several, "warmup": {"text": "warm-up"}, "timeout": 60},
        "limited": {"callable": Model, "runner": {"init": init}, "max_queue": 2},
        "hasty": {"callable": Model, "runner": {"init": init}, "timeout": 0.5},
        "stuck": {"callable": Model, "runner": {"init": init, "kill_after": 0.5}},
        "batched": {"callable": Batched, "runner": True, "batch": {"max_size": 16, "max_wait_ms": 20}},
        "plain": {"callable": Model()},
        "worker": {"callable": name_worker},
    }
