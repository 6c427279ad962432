"""Generates the blocking client from the one for asyncio.

`python scripts/unasync.py` writes the files of client/_sync that are made of client/_async. With `--check` it
only names those that are stale, and exits with 1 if there are any.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "aylien_model_serving" / "client"
FILES = ("body.py", "client.py", "driver.py", "handles.py")

HEAD = "# Generated from client/_async/{} by scripts/unasync.py: change that file, and run the script.\n"

#: Patterns and what replaces them, one after the other: texts that differ first, then words.
REPLACEMENTS = [
    (
        r" from an event loop; see `Client`, which takes and does the same\.\n\n.*?\n\n",
        "; its routes are methods, as it describes them itself in /openapi.json.\n\n"
        "    Threads may share a client. A process that was forked opens connections of its own, unless an\n"
        "    `http_transport` is given. No redirect is followed.\n\n",
    ),
    (r"description has not been read", "description can't be read"),
    (
        r"connections, after which there is no further call",
        "connections of this process; a later call opens them again",
    ),
    (
        r"`progress` and `message` are as they were when the service was last asked, as by `refresh`\.",
        "`progress`, `message` are half a second old at most: the service is asked where they are older.",
    ),
    (r"an `AsyncJob` or an `AsyncStream`", "a `Job` or a `Stream`"),
    (r"The client for asyncio: (.*) that are awaited\.", r"The client that blocks: \1."),
    (r"the client for asyncio", "the blocking client"),
    (r", for asyncio\.", "."),
    (r"on an event loop of asyncio", "on the calling thread"),
    (r"Coroutine\[Any, Any, Any\]", "Any"),
    (r"Callable, Coroutine, ", "Callable, "),
    (r"AsyncIterator, Awaitable, Callable", "Callable, Iterator"),
    (r"Awaitable\[None\]", "None"),
    (r"AsyncGenerator\[Any, None\]", "Generator[Any, None, None]"),
    (r"AsyncBackend", "SyncBackend"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\basync (?=def|for|with)|\bawait ", ""),
    (r"__a(?=enter|exit|iter|next)", "__"),
    (r"\ba(?=close\b|closing\b|iter_bytes\b)|\ba(?=next\()", ""),
    (r"\b_async\b", "_sync"),
]


def blocking(name: str) -> str:
    """Return the text of a file of the blocking client."""
    text = (CLIENT / "_async" / name).read_text()
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text, flags=re.DOTALL)
    text = HEAD.format(name) + text
    target = str(CLIENT / "_sync" / name)
    for command in (["check", "--quiet", "--fix", "--select", "I"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", target, "-"]
        text = subprocess.run(ruff, input=text, check=True, capture_output=True, text=True).stdout
    return text


def main(arguments: list[str]) -> int:
    """Write or check the files, and return the exit status."""
    texts = {CLIENT / "_sync" / name: blocking(name) for name in FILES}
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in stale:
            sys.stderr.write(f"{path} is stale: run `python scripts/unasync.py`\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(texts[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
