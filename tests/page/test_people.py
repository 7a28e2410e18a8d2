"""For people: screen readers, both colour schemes, phones, zoom, keys alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.page.fake_api import FakeApi
from tests.page.rows import classified, drift_day, no_dog, rejected, unknown_breed
from tests.page.visitor import Visitor, drop, sign_in, tiles

_OUTSIDE = """() => [...document.querySelectorAll("button, input, select, a")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true })
    && !each.matches(".skip, .segments input"))
  .map((each) => [each.outerHTML.slice(0, 120), each.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.left < 0 || box.right > innerWidth + 0.5))
  .map(([words]) => words)"""

VIEWPORTS = {
    "desktop": {"width": 1280, "height": 800},
    "phone": {"width": 360, "height": 740},
    "zoomed": {"width": 640, "height": 400},  # 1280 x 800 at 200 %
}


def _welcome(page: Page, api: FakeApi) -> None:
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def _grid(page: Page, api: FakeApi) -> None:
    sign_in(page)
    expect(tiles(page)).to_have_count(9)


def _filtered(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    page.goto(api.url + "?breed=Beagle&confidence_to=0.999")
    page.get_by_role("button", name="Remove filter: Beagle").wait_for()
    expect(tiles(page)).to_have_count(1)


def _nothing_fits(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    page.goto(api.url + "?breed=None")
    page.get_by_role("heading", name="No photo fits").wait_for()


def _empty(page: Page, api: FakeApi) -> None:
    api.rows.clear()
    sign_in(page)
    page.get_by_role("heading", name="Drop photos").wait_for()


def _selected(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    tiles(page).first.focus()
    page.keyboard.press("Control+a")
    page.get_by_text("9 photos selected").wait_for()


def _loupe(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    tiles(page).first.click()
    page.locator("img.whole").wait_for()


def _typing(page: Page, api: FakeApi) -> None:
    _loupe(page, api)
    page.keyboard.press("t")
    page.keyboard.type("re")
    page.get_by_role("option", name="retriever").first.wait_for()


def _said(page: Page, api: FakeApi) -> None:
    _loupe(page, api)
    page.keyboard.press("2")
    page.get_by_role("button", name="Undo").wait_for()


def _rejected(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    tiles(page).nth(8).click()
    page.get_by_text("The model never saw this photo").wait_for()


def _unknown(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    tiles(page).nth(6).click()
    page.get_by_text("none of the breeds that it knows").wait_for()
    page.locator("img.whole").wait_for()


def _queue(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    page.get_by_role("link", name="To review").click()
    page.locator("img.whole").wait_for()
    page.get_by_text("were right").wait_for()


def _drift(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    words = "Photos have become darker (stability index 0.41)."
    found = {"figure": "brightness", "words": words, "examples": list(api.rows)[:3]}
    psi = {"brightness": 0.41, "confidence": 0.2}
    worse = drift_day("2026-11-20", state="drift", psi=psi, findings=[found])
    api.drift_days = [worse, drift_day("2026-11-19")]
    page.get_by_role("link", name="Drift").click()
    page.get_by_text(words).click()
    page.locator(".examples img[src]").first.wait_for()


def _unwatched(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    page.get_by_role("link", name="Drift").click()
    page.get_by_text("make drift-watch").wait_for()


def _uploading(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    api.bucket_gate.clear()
    drop(page, ("dog.jpg", "image/jpeg", 10), ("notes.txt", "text/plain", 10))
    page.get_by_role("alert").get_by_text("notes.txt").wait_for()
    page.get_by_role("progressbar", name="Upload of dog.jpg").wait_for()


def _failed(page: Page, api: FakeApi) -> None:
    api.faults = {"predictions": 503}
    sign_in(page)
    page.get_by_role("heading", name="could not be loaded").wait_for()


def _keys(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()


def _signed_out(page: Page, api: FakeApi) -> None:
    _grid(page, api)
    api.end_sessions()
    tiles(page).first.focus()
    page.keyboard.press("y")
    page.get_by_role("dialog", name="Your sign-in has ended").wait_for()


def _loading(page: Page, api: FakeApi) -> None:
    api.gate.clear()
    sign_in(page)
    page.locator(".tile.skeleton").first.wait_for()


VIEWS = [
    _welcome, _grid, _filtered, _nothing_fits, _empty, _selected, _loupe, _typing, _said, _rejected,
    _unknown, _queue, _drift, _unwatched, _uploading, _failed, _keys, _signed_out, _loading,
]  # fmt: skip
VIEW = pytest.mark.parametrize("view", VIEWS, ids=[view.__name__[1:] for view in VIEWS])
Show = Callable[[Page, FakeApi], None]


@pytest.fixture
def filled(api: FakeApi) -> FakeApi:
    rows = [classified(number) for number in range(6)]
    rows[1]["sample"] = True
    api.put(*rows, unknown_breed(6), no_dog(7), rejected(8))
    api.review(rows[3]["key"], {"version": rows[3]["version"], "verdict": "RIGHT"})
    said = {"version": rows[4]["version"], "verdict": "WRONG_BREED", "breed": "Pug"}
    api.review(rows[4]["key"], said)
    api.accuracy = {"sample": 214, "right": 187, "share": 187 / 214, "from": 0.82, "to": 0.91}
    return api


@VIEW
def test_axe_finds_no_violation(filled: FakeApi, visitor: Visitor, view: Show) -> None:
    page = visitor.opens(color_scheme="light", reduced_motion="reduce")
    view(page, filled)

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert found.response["passes"]
        assert found.violations_count == 0, f"{scheme}: {found.generate_report()}"


@VIEW
def test_nothing_reaches_beyond_the_edge(filled: FakeApi, visitor: Visitor, view: Show) -> None:
    page = visitor.opens(reduced_motion="reduce")
    view(page, filled)

    for name, viewport in VIEWPORTS.items():
        page.set_viewport_size(viewport)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate(_OUTSIDE) == [], name


def test_phone_reviews_by_touch(filled: FakeApi, visitor: Visitor) -> None:
    page = visitor.signs_in(viewport=VIEWPORTS["phone"], has_touch=True, is_mobile=True)
    tiles(page).first.tap()

    page.get_by_role("dialog").get_by_role("button", name="No dog").tap()

    expect(page.locator("dialog.loupe h2")).to_have_text("No dog")
    page.get_by_role("button", name="Close", exact=True).tap()
    page.get_by_role("button", name="Filters").tap()
    expect(page.get_by_role("combobox", name="Breed")).to_be_visible()


def test_grid_is_one_stop_for_tab_and_arrows_move_inside(filled: FakeApi, visitor: Visitor) -> None:
    page = visitor.signs_in(viewport={"width": 1280, "height": 800})
    expect(tiles(page)).to_have_count(9)
    assert page.locator(".grid [tabindex='0']").count() == 1

    tiles(page).first.focus()
    page.keyboard.press("ArrowDown")
    first_row = page.evaluate(
        """() => { const all = [...document.querySelectorAll(".grid .tile")];
        return all.findIndex((tile) => tile.offsetTop > all[0].offsetTop) }"""
    )
    expect(tiles(page).nth(first_row)).to_be_focused()
    page.keyboard.press("End")
    expect(tiles(page).last).to_be_focused()
    page.keyboard.press("Home")
    expect(tiles(page).first).to_be_focused()


def test_focus_stays_inside_an_open_photo(filled: FakeApi, visitor: Visitor) -> None:
    page = visitor.opens()
    _loupe(page, filled)

    for _ in range(25):
        page.keyboard.press("Tab")
        inside = (
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
        assert page.evaluate(inside)


def test_news_are_in_regions_that_screen_readers_announce(
    filled: FakeApi, visitor: Visitor
) -> None:
    page = visitor.opens()
    _loupe(page, filled)
    page.keyboard.press("y")

    expect(page.get_by_role("dialog").get_by_role("status").first).to_contain_text("Right: dog-0")


def test_nothing_moves_for_those_who_asked_for_that(filled: FakeApi, visitor: Visitor) -> None:
    page = visitor.opens(reduced_motion="reduce")
    _loading(page, filled)

    assert page.evaluate("document.getAnimations().length") == 0
