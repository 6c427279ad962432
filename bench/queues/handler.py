"""The handler that every system runs, and the trace of its runs. It knows the standard library alone."""

import os
import time

#: The variable that names the file of the trace.
TRACE = "BENCH_TRACE"


def run(token: str, seconds: float = 0.0) -> dict[str, str]:
    """Do nothing, for so long, and note when that began and ended.

    Args:
        token: of the job.
        seconds: 0 to return at once.
    """
    _note("began", token)
    if seconds:
        time.sleep(seconds)
        _note("ended", token)
    return {"token": token}


def _note(event: str, token: str) -> None:
    line = f"{event} {token} {time.time():.6f}\n".encode()
    file = os.open(os.environ[TRACE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(file, line)
    os.close(file)
