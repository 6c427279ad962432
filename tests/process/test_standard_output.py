"""Printed lines are not lost with the process."""

import subprocess
import sys

import pytest

from tests.services.serving import PROJECT, clean_environment

pytestmark = pytest.mark.processes

PROGRAM = """
import os
from aylien_model_serving.process import standard_output
standard_output.show_lines_at_once()
print("a line")
os._exit(0)
"""


def test_a_line_that_was_printed_outlives_a_process_that_ends_at_once() -> None:
    environ = {name: value for name, value in clean_environment().items() if name != "PYTHONUNBUFFERED"}

    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=PROJECT, env=environ, capture_output=True, text=True, check=True
    )

    assert ended.stdout == "a line\n"
