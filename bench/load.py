"""The load generator: wrk with one thread, and a Lua script that sets the request and prints JSON results."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.cases import Workload
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
class LoadResult:
    """What wrk measured in one run.

    Args:
        rate: correct responses per second.
        latency_us: percentile, as text → microseconds.
        errors: responses with an error status, broken connections and timeouts.
    """

    rate: float
    latency_us: dict[str, float]
    errors: int


def find_wrk() -> str:
    """Return the path of wrk.

    Raises:
        Unavailable: it is not installed.
    """
    path = shutil.which("wrk")
    if path is None:
        raise Unavailable(MISSING)
    return path


def run_wrk(workload: Workload, port: int, seconds: float) -> LoadResult:
    """Run a workload with wrk for whole seconds.

    Raises:
        Unavailable: wrk failed or gave no result.
    """
    with tempfile.TemporaryDirectory(prefix="bench-wrk-") as folder:
        script = _write_script(workload, Path(folder))
        command = [find_wrk(), "-t1", f"-c{workload.connections}", f"-d{max(1, round(seconds))}s"]
        command += [f"--timeout={TIMEOUT_S}s", "-s", str(script), f"http://{HOST}:{port}{workload.path}"]
        try:
            output = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=seconds + GRACE_S
            ).stdout
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"wrk failed: {error}") from error
    return parse_result(output)


def _write_script(workload: Workload, folder: Path) -> Path:
    body = folder / "body"
    body.write_bytes(workload.body)
    script = folder / "workload.lua"
    script.write_text(
        SCRIPT.format(
            body_path=json.dumps(str(body)),
            content_type=json.dumps(workload.content_type),
            accept=json.dumps(workload.accept),
            percentiles=", ".join(map(str, PERCENTILES)),
        )
    )
    return script


def parse_result(output: str) -> LoadResult:
    """Return the result that a program printed in a line of its output.

    Raises:
        Unavailable: there is none.
    """
    marked = [line for line in output.splitlines() if line.startswith("RESULT ")]
    if not marked:
        raise Unavailable(f"no result in {output[-200:]!r}")
    numbers = json.loads(marked[0].removeprefix("RESULT "))
    seconds = numbers["micros"] / 1e6
    correct = numbers["requests"] - numbers["status"]
    return LoadResult(
        correct / seconds, numbers["latency"], numbers["status"] + numbers["socket"] + numbers["timeout"]
    )
