"""The load: wrk, one thread, a Lua script per shot that sets the request and tells the result as JSON."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Shot
from bench.environments import Unavailable
from bench.peers import HOST

TIMEOUT_S = 10
GRACE_S = 30
PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)
MISSING = "wrk is missing: install the Debian package `wrk`"

SCRIPT = """
local file = io.open({body_path}, "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = {content_type}
wrk.headers["Accept"] = {accept}

function done(summary, latency, requests)
  local percentiles = {{}}
  for _, p in ipairs({{ {percentiles} }}) do
    percentiles[#percentiles + 1] = string.format('"%g": %d', p, latency:percentile(p))
  end
  local errors = summary.errors
  io.write(string.format(
    '\\nRESULT {{"requests": %d, "micros": %d, "status": %d, "socket": %d, "timeout": %d, ' ..
    '"latency": {{%s}}}}\\n',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write,
    errors.timeout, table.concat(percentiles, ", ")))
end
"""


@dataclass(frozen=True)
class Measured:
    """What wrk saw in one run.

    Args:
        rate: right answers per second.
        latency_us: percentile, as text → microseconds.
        errors: answers with an error status, broken connections and timeouts.
    """

    rate: float
    latency_us: dict[str, float]
    errors: int


def find() -> str:
    """Return the path of wrk.

    Raises:
        Unavailable: it is not installed.
    """
    path = shutil.which("wrk")
    if path is None:
        raise Unavailable(MISSING)
    return path


def fire(shot: Shot, port: int, seconds: float) -> Measured:
    """Send a shot over its connections for whole seconds, as often as answers come.

    Raises:
        Unavailable: wrk failed or gave no result.
    """
    with tempfile.TemporaryDirectory(prefix="bench-wrk-") as folder:
        script = _write_script(shot, Path(folder))
        command = [find(), "-t1", f"-c{shot.connections}", f"-d{max(1, round(seconds))}s"]
        command += [f"--timeout={TIMEOUT_S}s", "-s", str(script), f"http://{HOST}:{port}{shot.path}"]
        try:
            output = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=seconds + GRACE_S
            ).stdout
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"wrk failed: {error}") from error
    return read(output)


def _write_script(shot: Shot, folder: Path) -> Path:
    body = folder / "body"
    body.write_bytes(shot.body)
    script = folder / "shot.lua"
    script.write_text(
        SCRIPT.format(
            body_path=json.dumps(str(body)),
            content_type=json.dumps(shot.content_type),
            accept=json.dumps(shot.accept),
            percentiles=", ".join(map(str, PERCENTILES)),
        )
    )
    return script


def read(output: str) -> Measured:
    """Return the result that a program told in a line of its output.

    Raises:
        Unavailable: there is none.
    """
    marked = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if not marked:
        raise Unavailable(f"no result in {output[-200:]!r}")
    told = json.loads(marked[0].removeprefix("RESULT "))
    seconds = told["micros"] / 1e6
    right = told["requests"] - told["status"]
    return Measured(right / seconds, told["latency"], told["status"] + told["socket"] + told["timeout"])
