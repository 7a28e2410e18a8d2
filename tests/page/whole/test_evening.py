"""An evening with the page: a real browser, the real API, the real classifier, real tables.

Photos are dropped, answered, put right, looked for, and the sign-in ends in the middle of it. What
the page shows and what the tables hold must be the same.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, expect
from playwright.sync_api import Page as Tab

from rigs import heic
from rigs.page import EMAIL, Page
from tests.page.visitor import drop, tiles, wait_until
from tours.demo.photos import drawn

PHOTOS = 20
JPEG, HEIC = "image/jpeg", "image/heic"
# An hour is what a token is good for.
BEYOND_THE_TOKEN = "01:10:00"


class Evening:
    """The browser's windows, and the tables behind them."""

    def __init__(self, browser: Browser, page: Page) -> None:
        self._browser = browser
        self._page = page
        self._contexts: list[BrowserContext] = []
        self.faults: list[str] = []
        self.dynamodb = page.cloud.resource("dynamodb")

    def opens(self, query: str = "", **context: Any) -> Tab:
        """Another computer, and the page signed in to."""
        context.setdefault("viewport", {"width": 1200, "height": 800})
        made = self._browser.new_context(**context)
        made.set_default_timeout(20_000)
        self._contexts.append(made)
        tab = made.new_page()
        tab.on("pageerror", lambda error: self.faults.append(str(error)))
        tab.clock.install()
        tab.goto(self._page.url + query)
        self.signs_in(tab, "Sign in")
        return tab

    def signs_in(self, tab: Tab, button: str) -> None:
        tab.get_by_role("button", name=button, exact=True).click()
        tab.locator("[name=username]").fill(EMAIL)
        tab.locator("[name=password]").fill(self._page.passwords[EMAIL])
        tab.locator("[type=submit]").click()
        tab.locator(".views a[aria-current]").wait_for()

    def rows(self) -> dict[str, dict[str, Any]]:
        """By the name that the photo had."""
        items = self.dynamodb.Table(self._page.outputs["TableName"]).scan()["Items"]
        return {name_of(item["image_key"]): item for item in items}

    def reviews(self) -> list[dict[str, Any]]:
        items = self.dynamodb.Table(f"{self._page.stack}-page-reviews").scan()["Items"]
        return sorted(items, key=lambda item: item["at"])

    def standing(self, name: str) -> dict[str, Any] | None:
        return self.rows()[name].get("review")

    def leave(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def evening(browser: Browser, real: Page) -> Iterator[Evening]:
    evening = Evening(browser, real)
    yield evening
    evening.leave()
    assert evening.faults == []


def name_of(key: str) -> str:
    """uploads/2026-11-26/1a2b3c4d-dog-01.jpg -> dog-01.jpg"""
    return str(key).rpartition("/")[2].partition("-")[2]


def photos(folder: Path) -> list[tuple[str, str, bytes]]:
    """Name, content type and content of twenty files. Of four drawings three pass for dogs."""
    dogs = [path.read_bytes() for path in drawn(folder, PHOTOS - 3).files]
    sideways, turn = io.BytesIO(), Image.Exif()
    turn[0x0112] = 6  # Orientation: the camera was held upright
    lying = Image.open(io.BytesIO(dogs[0])).transpose(Image.Transpose.ROTATE_90)
    lying.save(sideways, "JPEG", exif=turn)
    return [
        *((f"dog-{at:02}.jpg", JPEG, content) for at, content in enumerate(dogs)),
        ("sideways.jpg", JPEG, sideways.getvalue()),
        ("phone.heic", HEIC, heic.UPRIGHT),
        ("notes.jpg", JPEG, b"a shopping list that was renamed"),
    ]


def tile(tab: Tab, name: str) -> Locator:
    return tiles(tab).and_(tab.locator(f'[data-key$="-{name}"]'))


def test_photos_are_dropped_answered_put_right_and_found(
    evening: Evening, tmp_path: Path, shots: Path
) -> None:
    tab = evening.opens()

    # WHEN twenty photos are dropped, among them a HEIC, a sideways one, and a text
    drop(tab, *photos(tmp_path))

    # THEN all appear with their answers, without a reload
    expect(tiles(tab)).to_have_count(PHOTOS, timeout=60_000)
    panel = tab.get_by_role("complementary", name="Uploads")
    expect(panel.get_by_role("heading")).to_have_text(f"{PHOTOS} photos answered")
    rows = evening.rows()
    assert rows.keys() == {name for name, _, _ in photos(tmp_path)}
    assert rows["notes.jpg"]["reason"]["code"] == "NOT_AN_IMAGE"
    expect(tile(tab, "notes.jpg")).to_contain_text("This is not a photo.")
    assert (rows["sideways.jpg"]["width"], rows["sideways.jpg"]["height"]) == (480, 360)
    assert rows["sideways.jpg"]["breed"] == rows["dog-00.jpg"]["breed"]
    assert rows["phone.heic"]["status"] in ("NO_DOG", "UNKNOWN_BREED", "CLASSIFIED")
    tab.screenshot(path=shots / "desktop.png")

    # WHEN three are put right by keys, and the last is taken back
    for name, key in (("dog-00.jpg", "2"), ("dog-01.jpg", "n"), ("dog-02.jpg", "u")):
        tile(tab, name).focus()
        tab.keyboard.press(key)
        wait_until(tab, partial(evening.standing, name))
    tab.keyboard.press("z")
    wait_until(tab, lambda: evening.standing("dog-02.jpg") is None)

    # THEN the model's answers stand as they were, and what was said stands beside them
    now = evening.rows()
    second = rows["dog-00.jpg"]["top"][1]["label"]
    assert now["dog-00.jpg"]["breed"] == rows["dog-00.jpg"]["breed"]
    assert (now["dog-00.jpg"]["review"]["verdict"], now["dog-00.jpg"]["review"]["breed"]) == (
        "WRONG_BREED", second,
    )  # fmt: skip
    assert now["dog-01.jpg"]["review"]["verdict"] == "NO_DOG"
    assert [said["verdict"] for said in evening.reviews()] == [
        "WRONG_BREED", "NO_DOG", "UNSURE", "UNDONE",
    ]  # fmt: skip
    expect(tile(tab, "dog-01.jpg").locator(".name")).to_have_text("No dog")

    # WHEN five are marked at once, with the panel of uploads out of the way
    tab.get_by_role("button", name="Close the uploads").click()
    expect(panel).to_be_hidden()
    order = [key or "" for key in tiles(tab).evaluate_all("all => all.map(one => one.dataset.key)")]
    fresh = [name_of(key) for key in order]
    open_ = [rows[name]["status"] != "REJECTED" and "review" not in now[name] for name in fresh]
    start = next(at for at in range(len(fresh) - 4) if all(open_[at : at + 5]))
    five = fresh[start : start + 5]
    tile(tab, five[0]).locator("[data-tick]").click(force=True)
    expect(tab.get_by_text("1 photo selected")).to_be_visible()
    tile(tab, five[4]).click(modifiers=["Shift"])
    expect(tab.get_by_text("5 photos selected")).to_be_visible()
    tab.keyboard.press("u")
    wait_until(
        tab, lambda: all((evening.standing(name) or {}).get("verdict") == "UNSURE" for name in five)
    )

    # WHEN the list is filtered by confidence, and by breed
    shares = {name: row["confidence"] for name, row in rows.items() if "confidence" in row}
    # The whole percentage that parts them best: most of the drawings are near to a hundred.
    percents = [Decimal(percent) / 100 for percent in range(101)]
    least = min(
        percents,
        key=lambda share: abs(sum(each >= share for each in shares.values()) - len(shares) / 2),
    )
    tab.get_by_label("Confidence from").fill(f"{100 * least:.0f}")
    tab.get_by_label("Confidence from").blur()
    sure = {name for name, share in shares.items() if share >= least}
    assert 0 < len(sure) < len(shares)
    expect(tiles(tab)).to_have_count(len(sure))
    breed = rows["dog-00.jpg"]["breed"]
    tab.get_by_role("combobox", name="Breed").fill(breed.replace("_", " "))
    tab.keyboard.press("Enter")
    wanted = {name for name in sure if rows[name].get("breed") == breed}
    assert wanted
    expect(tiles(tab)).to_have_count(len(wanted))

    # THEN the address shows the same to somebody else, on a phone in the dark
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "is_mobile": True}
    other = evening.opens("?" + tab.url.partition("?")[2], **phone)
    expect(tiles(other)).to_have_count(len(wanted))
    keys = tiles(other).evaluate_all("all => all.map(one => one.dataset.key)")
    assert {name_of(key) for key in keys} == wanted
    other.screenshot(path=shots / "phone-dark.png")


def test_sign_in_that_ends_in_mid_review_costs_no_word(evening: Evening, tmp_path: Path) -> None:
    # GIVEN somebody who types a breed
    tab = evening.opens()
    drop(tab, ("lone.jpg", JPEG, drawn(tmp_path, 1).files[0].read_bytes()))
    expect(tile(tab, "lone.jpg")).to_have_count(1, timeout=60_000)
    tile(tab, "lone.jpg").click()
    expect(tab.get_by_role("dialog")).to_contain_text("lone.jpg")
    tab.keyboard.press("t")
    tab.keyboard.type("Otterhound of Ann")
    # WHEN the token ends, and the browser has forgotten who it was
    tab.context.clear_cookies()
    tab.clock.fast_forward(BEYOND_THE_TOKEN)
    tab.get_by_role("dialog", name="Your sign-in has ended").wait_for()
    evening.signs_in(tab, "Sign in again")
    # THEN what was typed is there, and goes to the table
    field = tab.locator("dialog.loupe .breed-field input")
    expect(field).to_have_value("Otterhound of Ann")
    field.press("Enter")
    wait_until(tab, lambda: evening.standing("lone.jpg") is not None)
    said = evening.standing("lone.jpg") or {}
    assert said["verdict"] == "NEW_BREED"
    assert said["breed"].replace("_", " ") == "Otterhound of Ann"


def test_heic_is_seen_small_and_can_be_had_whole(evening: Evening) -> None:
    tab = evening.opens()
    drop(tab, ("phone-2.heic", HEIC, heic.UPRIGHT))
    expect(tile(tab, "phone-2.heic")).to_have_count(1, timeout=60_000)
    tile(tab, "phone-2.heic").click()
    picture = tab.locator("dialog.loupe figure")
    expect(picture).to_contain_text("Your browser cannot show the original")
    assert picture.locator("img.only").evaluate("image => image.naturalWidth") == 96
    with tab.expect_download() as begun:
        picture.get_by_role("link", name="Download the original").click()
    assert Path(begun.value.path()).read_bytes() == heic.UPRIGHT


def test_second_visit_asks_for_no_file_that_it_has(evening: Evening) -> None:
    tab = evening.opens()
    network = tab.context.new_cdp_session(tab)
    network.send("Network.enable")
    over_the_wire: list[str] = []
    cached: set[str] = set()

    def note(event: dict[str, Any]) -> None:
        if event["requestId"] not in cached and not event["response"].get("fromDiskCache"):
            over_the_wire.append(event["response"]["url"])

    network.on("Network.requestServedFromCache", lambda event: cached.add(event["requestId"]))
    network.on("Network.responseReceived", note)

    tab.reload()

    tab.locator(".views a[aria-current]").wait_for()
    assert [url for url in over_the_wire if "/static/" in url] == []
    assert tab.url in over_the_wire  # the page itself is asked about
