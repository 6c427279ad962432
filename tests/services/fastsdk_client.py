"""What users of fastsdk do, as a program for the environment that has it: prints what came of it as JSON.

python fastsdk_client.py http://127.0.0.1:8000
"""

import json
import sys
import time

import fastsdk
import numpy as np
from fastsdk.fastSDK import FastSDK

SECONDS = 60


def submitted(client, operation, **fields):
    """Submit a job, which the client follows by itself."""
    return client.submit_job(operation, **fields)


def followed(job):
    """Return what the client has seen of a job until its end."""
    seen = []
    while not job.is_terminal:
        if job.response is not None:
            shown = [job.response.status, job.response.progress, job.response.message]
            seen += [shown] if shown not in seen else []
        time.sleep(0.02)
    return seen


def failure_of(job):
    job.wait_for_result(timeout_s=SECONDS, default_value_on_error=None)
    return str(job.error)


def main(url):
    FastSDK()._progress_verbosity = 0  # no progress bars in what is printed
    client = fastsdk.connect(url)
    contract = client.service.details[0].contract
    picture = fastsdk.ImageFile().from_np_array(np.full((2, 3, 3), 200, np.uint8))

    fries = submitted(client, "make_fries", fries_name="curly", pause=2.5)
    seen = followed(fries)
    drawn = submitted(client, "img2img", image=picture, strength=250).get_result(timeout_s=SECONDS)
    cancelled = submitted(client, "idle", seconds=30)
    while cancelled.response is None:  # it is sent by a thread of the client
        time.sleep(0.02)
    cancelled.cancel(wait=True)
    return {
        "routes": {endpoint.path: endpoint.method for endpoint in contract.endpoints},
        "specification": contract.specification,
        "plain": client.submit_job("shout", text="ab", times=2).get_result(timeout_s=SECONDS),
        "seen": seen,
        "fries": fries.get_result(timeout_s=SECONDS),
        "refused": failure_of(submitted(client, "refuse", text="fish")),
        "late": failure_of(submitted(client, "idle", seconds=30)),
        "cancelled": cancelled.response.status,
        "image": [type(drawn).__name__, drawn.file_name, drawn.to_np_array().tolist()],
        "bytes": client.submit_job("invert", image=picture).get_result(timeout_s=SECONDS)[:4].hex(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1])))
