"""The process's event loop, in a worker that gevent patches after its master has imported the library."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

BURST = """
from aylien_model_serving import gunicorn_hooks
from gevent import monkey
monkey.patch_all()
import gevent
from aylien_model_serving.process import native_threads

async def answer(number):
    return number

burst = [gevent.spawn(native_threads.run_coroutine, answer(number)) for number in range(8)]
gevent.joinall(burst, timeout=10)
print([call.value for call in burst])
"""


def test_the_first_coroutines_of_a_patched_worker_may_run_concurrently() -> None:
    done = subprocess.run([sys.executable, "-c", BURST], capture_output=True, text=True, timeout=60)

    assert done.stdout == f"{list(range(8))}\n", done.stderr
