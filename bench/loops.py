"""A program that does a case's work without a server, as the limit: it prints its rate like wrk, and ends."""

import subprocess
import tempfile
from pathlib import Path

from bench import load
from bench.cases import Case
from bench.environments import Unavailable
from bench.load import LoadResult
from bench.peers import Peer
from bench.servers import program

START_S = 60  # to import what it needs
NO_PORTS = [0, 0, 0]


def run(peer: Peer, python: Path, case: Case, seconds: float) -> LoadResult:
    """Run a peer's program for `seconds` of measured work.

    Raises:
        Unavailable: it failed, took too long, or printed no result.
    """
    with tempfile.TemporaryDirectory(prefix="bench-loop-") as folder:
        command, environ = program(peer, python, case, Path(folder), NO_PORTS)
        environ["BENCH_SECONDS"] = str(seconds)
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=True,
                timeout=START_S + 2 * seconds,
            )
        except subprocess.CalledProcessError as error:
            reason = "".join(error.stderr.splitlines()[-1:])
            raise Unavailable(f"left with status {error.returncode}: {reason}") from error
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"did not end in {error.timeout:.0f} s") from error
    return load.parse_result(done.stdout)
