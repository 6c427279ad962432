"""What is told of the simulation: the guide's tables, the plots, the command."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from bench.scale import report
from bench.scale.plots import Axis, axis, line_chart
from bench.scale.report import NAMES, Figures
from bench.scale.service_times import MEASURED, load
from bench.scale.simulation import SCALERS


def test_ticks_are_round_and_within_the_axis() -> None:
    assert Axis("s", 0.0, 120.0).ticks() == [0, 25, 50, 75, 100]
    assert Axis("s", 0.1, 10.0, is_log=True).ticks() == pytest.approx([0.1, 1, 10])


def test_a_chart_is_well_formed_and_its_labels_lie_apart() -> None:
    lines = {"a & b": [(0, 1.0), (5, 2.0)], "c": [(0, 3.0), (5, 2.01)]}

    made = line_chart("<title>", lines, axis("x", lines, of=0), axis("y", lines, of=1))

    found = ElementTree.fromstring(made)
    texts = [one for one in found.iter() if one.tag.endswith("text")]
    places = {one.text: float(one.attrib["y"]) for one in texts if one.text in lines}
    assert abs(places["a & b"] - places["c"]) >= 12
    assert "&lt;title&gt;" in made


def test_tables_have_a_row_for_each_plan() -> None:
    same = Figures(0.0, 1.5, 0.012, 1.43)

    rows = report.load_table(dict.fromkeys(report.by_load(), same)).splitlines()[2:]

    assert len(rows) == 4 * len(SCALERS)
    assert rows[0] == "| steady | none: pods for the peak | 0.00 s | 1.50 s | 1.20% | 1.43 |"


def test_the_measured_times_say_what_was_measured() -> None:
    found = json.loads(MEASURED.read_text())

    assert found["handler"] == "examples.img2img.app:draw_image"
    assert 0.05 < load().mean < 5.0


def test_the_guide_has_the_tables_and_the_plots() -> None:
    text = report.GUIDE.read_text()
    told = text.partition(report.BEGIN)[2].partition(report.END)[0]

    for load_name in ("steady", "diurnal", "step", "bursts"):
        for name in NAMES.values():
            assert f"| {load_name} | {name} |" in told
    assert "| 1,000 |" in told
    for name in ("scale-wait.svg", "scale-refused.svg", "scale-cost.svg", "scale-pods.svg"):
        assert f"../pictures/{name}" in text
        ElementTree.parse(report.PICTURES / name)
