"""The loupe, and the queue of what is best reviewed next."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.page.fake_api import FakeApi
from tests.page.rows import MODEL, PERSON, classified, instant
from tests.page.visitor import Visitor, tiles, wait_until


def test_loupe_shows_what_is_known(api: FakeApi, visitor: Visitor) -> None:
    row = classified(0)
    api.put(row)
    api.review(row["key"], {"version": row["version"], "verdict": "NO_DOG"})
    api.history[row["key"]].insert(
        0,
        {"id": "1", "verdict": "NEW_BREED", "breed": "Otterhound", "by": PERSON,
         "at": instant(9000), "version": "0000"},
    )  # fmt: skip
    page = visitor.signs_in()
    tiles(page).click()

    dialog = page.get_by_role("dialog")
    expect(dialog.locator("img.whole")).to_be_visible()
    expect(dialog.locator("button.guess")).to_have_count(5)
    expect(dialog).to_contain_text(MODEL)
    expect(dialog.locator(".history li")).to_have_count(2)
    expect(dialog.locator(".history li").nth(1)).to_contain_text(
        "about an earlier photo of this name"
    )


def test_arrows_move_on_and_escape_comes_back_to_the_tile(api: FakeApi, visitor: Visitor) -> None:
    api.put(*(classified(number) for number in range(4)))
    page = visitor.signs_in()
    tiles(page).first.focus()
    page.keyboard.press("Enter")
    heading = page.locator("dialog.loupe h2")
    expect(heading).to_have_text("Beagle")

    page.keyboard.press("ArrowRight")
    page.keyboard.press("j")
    expect(heading).to_have_text("Boxer")
    page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text("Border collie")
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(tiles(page).nth(1)).to_be_focused()
    expect(page).to_have_url(api.url)


def test_loupe_goes_on_beyond_what_was_loaded(api: FakeApi, visitor: Visitor) -> None:
    api.put(*(classified(number) for number in range(55)))
    page = visitor.signs_in()
    tiles(page).nth(49).click()
    expect(tiles(page)).to_have_count(55)

    for _ in range(5):
        page.keyboard.press("ArrowRight")

    expect(page.get_by_role("dialog")).to_contain_text("dog-54.jpg")


def test_original_that_the_browser_cannot_show_is_the_small_picture(
    api: FakeApi, visitor: Visitor
) -> None:
    api.opaque_originals = True
    api.put(classified(0))
    page = visitor.signs_in()
    tiles(page).click()

    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Your browser cannot show the original")
    expect(dialog.get_by_role("img", name="small")).to_be_visible()
    expect(dialog.get_by_role("link", name="Download the original")).to_be_visible()


def test_address_of_a_photo_that_is_gone_says_so(api: FakeApi, visitor: Visitor) -> None:
    page = visitor.signs_in("?photo=uploads/gone.jpg")

    expect(page.get_by_role("dialog")).to_contain_text("There is no such photo")


def test_queue_goes_from_photo_to_photo(api: FakeApi, visitor: Visitor) -> None:
    # GIVEN three photos, one of them of the random sample
    shares = {0: 0.3, 1: 0.5, 2: 0.7}
    rows = [classified(number, confidence=share) for number, share in shares.items()]
    rows[1]["sample"] = True
    api.put(*rows)
    page = visitor.signs_in("?view=queue")
    heading = page.locator(".queue h2")
    expect(heading).to_have_text("Beagle")
    expect(page.get_by_text("Least sure: 30%")).to_be_visible()

    # WHEN they are answered, and one is taken back
    page.keyboard.press("y")
    expect(page.get_by_text("Random sample: these tell")).to_be_visible()
    page.keyboard.press("n")
    expect(heading).to_have_text("Boxer")
    page.keyboard.press("z")
    expect(heading).to_have_text("Border collie")
    page.keyboard.press("y")
    page.keyboard.press("y")

    # THEN nothing is left, and all are reviewed
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    right, undone = ("RIGHT", None), ("UNDONE", None)
    expected = [[right], [("NO_DOG", None), undone, right], [right]]
    wait_until(page, lambda: [api.verdicts(row["key"]) for row in rows] == expected)


def test_queue_comes_back_to_a_photo_that_was_replaced(api: FakeApi, visitor: Visitor) -> None:
    rows = [classified(0, confidence=0.3), classified(1, confidence=0.5)]
    api.put(*rows)
    page = visitor.signs_in("?view=queue")
    heading = page.locator(".queue h2")
    expect(heading).to_have_text("Beagle")
    api.put(classified(0, version="00FF", breed="Samoyed", confidence=0.4))

    page.keyboard.press("y")

    expect(page.get_by_text("was replaced or answered again")).to_be_visible()
    expect(heading).to_have_text("Samoyed")


def test_queue_shows_the_accuracy_with_its_interval(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(0))
    api.accuracy = {"sample": 214, "right": 187, "share": 187 / 214, "from": 0.82, "to": 0.91}

    page = visitor.signs_in("?view=queue")

    card = page.locator(".accuracy")
    expect(card).to_contain_text("87%")
    expect(card).to_contain_text("187 of 214 random photos were right")
    expect(card).to_contain_text("between 82% and 91%")


def test_no_accuracy_is_claimed_before_the_sample_was_reviewed(
    api: FakeApi, visitor: Visitor
) -> None:
    page = visitor.signs_in("?view=queue")

    expect(page.get_by_role("heading", name="Nothing waits for a review")).to_be_visible()
    expect(page.locator(".accuracy")).to_contain_text("Nobody knows yet")
