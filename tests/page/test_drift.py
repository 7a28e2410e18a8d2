"""The view of drift: curves, words, and the photos behind them."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.page.fake_api import FakeApi
from tests.page.rows import classified, drift_day
from tests.page.visitor import Visitor

WORDS = "Photos have become darker (stability index 0.41)."


def _darkened(api: FakeApi) -> list[str]:
    rows = [classified(number) for number in range(3)]
    api.put(*rows)
    keys = [row["key"] for row in rows]
    found = {"figure": "brightness", "words": WORDS, "examples": keys}
    audited = {"sample": 40, "right": 33, "share": 0.825, "from": 0.68, "to": 0.91}
    psi = {"brightness": 0.41, "confidence": 0.02}
    api.drift_days = [
        drift_day("2026-11-21", state="drift", psi=psi, findings=[found], audited=audited),
        drift_day("2026-11-20", state="too few", photos=3, psi={}),
        drift_day("2026-11-19"),
    ]
    return keys


def test_days_are_told_in_words_the_newest_first(visitor: Visitor, api: FakeApi) -> None:
    _darkened(api)
    page = visitor.signs_in("?view=drift")

    days = page.locator(".drift ol > li")
    expect(days).to_have_count(3)
    expect(days.nth(0)).to_contain_text(WORDS)
    expect(days.nth(0)).to_contain_text("33 of 40 random photos right")
    expect(days.nth(1)).to_contain_text("Too few photos to compare.")
    expect(days.nth(2)).to_contain_text("As usual.")
    expect(page).to_have_title("Drift · Dog breeds")


def test_each_figure_has_a_curve_with_a_gap_where_no_day_was_compared(
    visitor: Visitor, api: FakeApi
) -> None:
    _darkened(api)
    page = visitor.signs_in("?view=drift")

    curves = page.locator(".curves figure")
    expect(curves).to_have_count(4)
    brightness = curves.filter(has_text="Brightness")
    expect(brightness).to_contain_text("0.41")
    line = brightness.locator("path").first.get_attribute("d") or ""
    assert line.count("M") == 2  # two pieces, with the second day missing between them
    assert line.count("L") == 0


def test_a_curve_is_dashed_where_its_own_figure_begins_to_matter(
    visitor: Visitor, api: FakeApi
) -> None:
    # GIVEN two figures at the same height, of which kinds of answer matter from half of it on
    api.drift_days = [drift_day("2026-11-21", psi={"confidence": 0.1, "status": 0.1})]
    page = visitor.signs_in("?view=drift")

    # THEN one is dashed at the top of its curve, the other half-way
    for name, dashes in (("Confidence", "M0 2.0H1"), ("Status", "M0 13.0H1")):
        figure = page.locator(".curves figure").filter(has_text=name)
        expect(figure.locator("path").nth(1)).to_have_attribute("d", dashes)


def test_photos_of_a_finding_lead_to_themselves(visitor: Visitor, api: FakeApi) -> None:
    keys = _darkened(api)
    page = visitor.signs_in("?view=drift")
    assert not api.asked("GET", "predictions/")

    page.get_by_text(WORDS).click()
    links = page.locator(".examples a")
    expect(links).to_have_count(3)
    links.nth(1).locator("img[src]").wait_for()
    links.nth(1).click()
    page.locator("img.whole").wait_for()
    assert page.url.endswith(f"?photo={keys[1]}")


def test_photo_that_is_gone_keeps_its_name(visitor: Visitor, api: FakeApi) -> None:
    keys = _darkened(api)
    del api.rows[keys[0]]
    page = visitor.signs_in("?view=drift")
    page.get_by_text(WORDS).click()
    expect(page.locator(".examples li").first.locator("img")).to_have_count(0)
    expect(page.locator(".examples li").first).not_to_be_empty()


def test_failure_is_told_and_can_be_tried_again(visitor: Visitor, api: FakeApi) -> None:
    _darkened(api)
    api.faults = {"drift": 503}
    page = visitor.signs_in("?view=drift")
    page.get_by_role("heading", name="could not be loaded").wait_for()
    api.faults = {}
    page.get_by_role("button", name="Try again").click()
    page.get_by_text(WORDS).wait_for()
