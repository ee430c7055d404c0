"""Charts of RESULTS.md: what stands in them is what was measured."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from bench.charts import Bars, Lines, Mark, ticks

SVG = "{http://www.w3.org/2000/svg}"


def bars(**given) -> ET.Element:
    rows = [("Ours", 10.0, 9.0, 11.0), ("a <peer> & more", 20.0, 18.0, 22.0)]
    return ET.fromstring(Bars("Cost", "µs", rows, **given).svg())


def widths(svg: ET.Element) -> list[float]:
    _, *rects = svg.iter(f"{SVG}rect")
    return [float(rect.attrib["width"]) for rect in rects]


def texts(svg: ET.Element) -> list[str]:
    return [text.text or "" for text in svg.iter(f"{SVG}text")]


def test_a_bar_is_as_long_as_its_figure_is_large():
    ours, peer = widths(bars())
    assert abs(peer / ours - 2) < 0.01


def test_a_bar_that_is_cut_still_says_its_figure():
    svg = bars(most=15.0)
    ours, peer = widths(svg)
    assert peer / ours < 1.6
    assert "20.0" in texts(svg)


def test_a_mark_stands_at_its_value():
    svg = bars(mark=Mark(10.0, "the most"))
    (mark,) = [line for line in svg.iter(f"{SVG}line") if "stroke-dasharray" in line.attrib]
    first = next(rect for rect in svg.iter(f"{SVG}rect") if "x" in rect.attrib)
    end = float(first.attrib["x"]) + float(first.attrib["width"])
    assert abs(float(mark.attrib["x1"]) - end) < 0.2
    assert "the most" in texts(svg)


def test_names_are_written_as_they_are():
    assert "a <peer> & more" in texts(bars())


def test_a_line_rises_by_as_much_for_each_tenfold():
    points = [(1.0, 10.0), (10.0, 100.0), (100.0, 1000.0)]
    svg = ET.fromstring(Lines("Growth", "µs", "people", [("all", points)]).svg())
    (line,) = svg.iter(f"{SVG}polyline")
    placed = [float(y) for y in re.findall(r",([\d.]+)", line.attrib["points"])]
    assert abs((placed[0] - placed[1]) - (placed[1] - placed[2])) < 0.2
    assert placed[0] > placed[1]


def test_a_scale_has_round_values_up_to_its_end():
    assert ticks(58) == [0, 10, 20, 30, 40, 50]
    assert ticks(8.4) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert ticks(120) == [0, 20, 40, 60, 80, 100, 120]
