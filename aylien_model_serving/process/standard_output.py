"""What a process prints, while its output goes to a file or a pipe.

Standard library only.
"""

from __future__ import annotations

import io
import sys


def show_lines_at_once() -> None:
    """Write each printed line out when it ends: Python keeps 8 kB otherwise, which a killed process loses."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
