"""A load performs exchanges of all kinds until its time is over, and tells what went wrong."""

from __future__ import annotations

import time

from tests.soak.load import Load

PORT = 1


def test_every_kind_is_performed_and_its_first_faults_are_kept() -> None:
    ports = []

    def good(port: int) -> None:
        ports.append(port)
        time.sleep(0.001)

    def bad(port: int) -> None:
        raise ValueError("no")

    load = Load(PORT, {"good": good, "bad": bad}, clients=3)
    while load.counts["good"] < 5 or load.counts["bad"] < 5:
        load.run(0.05)

    assert set(ports) == {PORT}
    assert load.faults == {"good": [], "bad": ["ValueError('no')"] * 3}


def test_a_half_used_service_is_asked_for_less() -> None:
    def exchange(port: int) -> None:
        time.sleep(0.01)

    whole, half = (Load(PORT, {"any": exchange}, clients=4) for _ in range(2))
    whole.run(0.5)
    half.run(0.5, workers=1)

    assert 0 < half.counts["any"] < whole.counts["any"] / 2
