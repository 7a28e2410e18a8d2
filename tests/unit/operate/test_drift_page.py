"""The page of `make drift`: where its lines are drawn, and what it says of them."""

from __future__ import annotations

import re

import pytest

from operate.drift import Day
from operate.drift_page import page


def drawn(**psi: float) -> str:
    day = Day("2026-11-26", "quiet", 300, 0.8, (0, 0), psi, (), "one")
    return page("dogs", [day], lambda _key: None)


@pytest.mark.parametrize(("figure", "least"), [("status", 0.05), ("breed", 0.1)])
def test_dashed_line_is_where_a_figure_begins_to_count(figure: str, least: float) -> None:
    # GIVEN a day on which a figure is just as far as a finding has to be
    # WHEN it is drawn
    (curve,) = re.findall(rf"<svg[^>]*{figure}: .*?</svg>", drawn(**{figure: least}), re.DOTALL)
    # THEN its point is on the line
    (point,) = re.findall(r'cy="([\d.]+)"', curve)
    assert re.findall(r'y[12]="([\d.]+)"', curve) == [point, point]


def test_page_says_where_its_dashed_lines_are() -> None:
    text = drawn(status=0.07)
    assert "The dashed line is 0.1, for status (kinds of answer) 0.05: below it" in text
