"""Write the instruction counts of the running Python into counts.json."""

import json

from aylien_model_serving.executors import latency
from tests.instructions.counting import count
from tests.instructions.requests import requests_by_adapter
from tests.instructions.test_counts import RECORDED, VERSION

latency.QUICK_SECONDS = latency.SLOW_SECONDS = latency.LONG_SECONDS = float("inf")
counts = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
counts[VERSION] = {
    adapter: sum(count(request).values()) for adapter, request in requests_by_adapter().items()
}
RECORDED.write_text(json.dumps(dict(sorted(counts.items())), indent=2) + "\n")
