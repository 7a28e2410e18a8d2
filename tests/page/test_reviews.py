"""Saying what is in a photo: by keys, several at once, taken back, refused."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.page.fake_api import FakeApi
from tests.page.rows import BREEDS, classified, no_dog, rejected, unknown_breed
from tests.page.visitor import Visitor, hide, hold_back, tiles, wait_until

FIRST, SECOND, *_ = BREEDS


@pytest.mark.parametrize(
    ("keys", "verdict"),
    [
        ("y", ("RIGHT", None)),
        ("1", ("RIGHT", None)),
        ("2", ("WRONG_BREED", SECOND)),
        ("5", ("WRONG_BREED", BREEDS[4])),
        ("n", ("NO_DOG", None)),
        ("u", ("UNSURE", None)),
    ],
)
@pytest.mark.parametrize("view", ["grid", "loupe", "queue"])
def test_one_key_says_it(
    api: FakeApi, visitor: Visitor, view: str, keys: str, verdict: tuple[str, str | None]
) -> None:
    row = classified(0)
    api.put(row)
    queries = {"grid": "", "loupe": f"?photo={row['key']}", "queue": "?view=queue"}
    page = visitor.signs_in(queries[view])
    if view == "grid":
        tiles(page).focus()
    else:
        page.get_by_text("The model is").wait_for()

    page.keyboard.press(keys)

    wait_until(page, lambda: api.verdicts(row["key"]) == [verdict])


@pytest.mark.parametrize(
    ("keys", "verdict", "title"),
    [
        ("y", ("RIGHT", None), "Unknown breed"),
        ("1", ("WRONG_BREED", FIRST), FIRST),
        ("n", ("NO_DOG", None), "No dog"),
    ],
)
def test_unknown_breed_shows_how_strange_it_is_and_is_reviewed(
    api: FakeApi, visitor: Visitor, keys: str, verdict: tuple[str, str | None], title: str
) -> None:
    row = unknown_breed(0)
    api.put(row)
    page = visitor.signs_in(f"?photo={row['key']}")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("a dog, but none of the breeds that it knows")
    expect(dialog).to_contain_text("Stranger to the model than 98% of photos of breeds")
    nearest = dialog.locator(".guesses")
    expect(nearest.get_by_role("heading")).to_have_text("The nearest breeds")
    expect(nearest.get_by_role("listitem").first).to_contain_text(FIRST)

    page.keyboard.press(keys)

    wait_until(page, lambda: api.verdicts(row["key"]) == [verdict])
    expect(dialog.get_by_role("heading", level=2)).to_have_text(title)
    expect(dialog).to_contain_text("unknown breed.")


def test_queue_says_why_an_unknown_breed_is_there(api: FakeApi, visitor: Visitor) -> None:
    api.put(unknown_breed(0))

    page = visitor.signs_in("?view=queue")

    expect(page.locator(".queue h2")).to_have_text("Unknown breed")
    expect(page.locator(".queue .why")).to_have_text("Unknown breed")


def test_breed_is_typed_with_completion(api: FakeApi, visitor: Visitor) -> None:
    page, row = visitor.is_at_one_photo()

    page.keyboard.press("t")
    page.keyboard.type("retr")
    options = page.get_by_role("option", name="retriever")
    expect(options).to_have_count(2)
    page.keyboard.press("ArrowDown")
    chosen = page.locator(".breed-field [aria-selected=true] span").first.inner_text()
    page.keyboard.press("Enter")

    expect(tiles(page).locator(".name")).to_have_text(chosen)
    breed = chosen.replace(" ", "_")
    wait_until(page, lambda: api.verdicts(row["key"]) == [("WRONG_BREED", breed)])


def test_typed_breed_stays_with_its_photo_although_the_person_goes_on(
    api: FakeApi, visitor: Visitor
) -> None:
    # GIVEN a server that is slow to tell the breeds
    typed, other = classified(0), classified(1)
    api.put(typed, other)
    page = visitor.signs_in()
    let_go = hold_back(page, "**/breeds")
    tiles(page).first.focus()
    page.keyboard.press("t")
    page.keyboard.type("Elo")
    page.keyboard.press("Enter")
    # WHEN the person is at another photo before the answer
    page.keyboard.press("Escape")
    tiles(page).nth(1).focus()
    let_go()
    # THEN it is said of the one that it was typed for
    wait_until(page, lambda: api.verdicts(typed["key"]) == [("NEW_BREED", "Elo")])
    assert api.verdicts(other["key"]) == []


def test_breed_that_nobody_knows_is_said_to_be_new(api: FakeApi, visitor: Visitor) -> None:
    page, row = visitor.is_at_one_photo()

    page.keyboard.press("t")
    page.keyboard.type("Otterhound")
    expect(page.get_by_role("option", name="Otterhound")).to_contain_text("a new breed")
    page.keyboard.press("Enter")

    wait_until(page, lambda: api.verdicts(row["key"]) == [("NEW_BREED", "Otterhound")])
    expect(page.get_by_text("Otterhound (a new breed)")).to_be_visible()


def test_escape_closes_one_thing_after_the_other(api: FakeApi, visitor: Visitor) -> None:
    row = classified(0)
    api.put(row)
    page = visitor.signs_in(f"?photo={row['key']}")
    expect(page.get_by_role("dialog")).to_contain_text("The model is")
    page.keyboard.press("t")
    page.keyboard.type("retr")
    field = page.get_by_role("combobox", name="Which breed is it?")
    expect(field).to_have_attribute("aria-expanded", "true")

    page.keyboard.press("Escape")
    expect(field).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Escape")
    expect(field).to_have_count(0)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_known_breed_in_other_letters_is_no_new_one(api: FakeApi, visitor: Visitor) -> None:
    page, row = visitor.is_at_one_photo()

    page.keyboard.press("t")
    page.keyboard.type("great dane")
    page.keyboard.press("Enter")

    wait_until(page, lambda: api.verdicts(row["key"]) == [("WRONG_BREED", "Great_Dane")])


def test_both_answers_are_shown(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(0, confidence=0.54))
    page = visitor.signs_in()
    tiles(page).focus()

    page.keyboard.press("2")

    expect(tiles(page)).to_contain_text("Border collie")
    expect(tiles(page)).to_contain_text("Model: Beagle, 54%")


def test_undo_brings_back_what_stood_before(api: FakeApi, visitor: Visitor) -> None:
    page, row = visitor.is_at_one_photo()

    page.keyboard.press("2")
    page.keyboard.press("n")
    expect(tiles(page)).to_contain_text("No dog")
    page.keyboard.press("z")
    expect(tiles(page)).to_contain_text("Border collie")
    page.keyboard.press("z")
    expect(tiles(page).locator(".name")).to_have_text("Beagle")

    wait_until(page, lambda: len(api.verdicts(row["key"])) == 4)
    assert api.standing(row) is None


def test_five_at_once_and_one_undo_for_all(api: FakeApi, visitor: Visitor) -> None:
    rows = [classified(number) for number in range(8)]
    api.put(*rows)
    page = visitor.signs_in()

    tiles(page).nth(1).locator("[data-tick]").click(force=True)
    tiles(page).nth(5).click(modifiers=["Shift"])
    expect(page.get_by_text("5 photos selected")).to_be_visible()
    page.keyboard.press("u")

    wait_until(page, lambda: api.asked("POST", "reviews") == [200])
    assert [api.verdicts(row["key"]) for row in rows] == [
        [("UNSURE", None)] if 1 <= at <= 5 else [] for at in range(8)
    ]
    expect(tiles(page).filter(has_text="Not sure")).to_have_count(5)
    page.keyboard.press("z")
    wait_until(page, lambda: api.asked("POST", "reviews") == [200, 200])
    assert all(api.standing(row) is None for row in rows)


def test_selecting_by_keys_alone(api: FakeApi, visitor: Visitor) -> None:
    rows = [classified(number) for number in range(6)]
    api.put(*rows)
    page = visitor.signs_in()
    tiles(page).first.focus()

    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_text("3 photos selected")).to_be_visible()
    page.keyboard.press("t")
    page.keyboard.type("Pug")
    page.keyboard.press("Enter")

    said = [api.verdicts(row["key"]) for row in rows[:3]]
    wait_until(page, lambda: api.asked("POST", "reviews") == [200])
    said = [api.verdicts(row["key"]) for row in rows[:3]]
    assert said == [[("WRONG_BREED", "Pug")]] * 3


def test_rejected_photos_are_left_out_of_a_selection(api: FakeApi, visitor: Visitor) -> None:
    rows = [classified(0), rejected(1), no_dog(2)]
    api.put(*rows)
    page = visitor.signs_in()
    tiles(page).first.focus()

    page.keyboard.press("Control+a")
    page.keyboard.press("y")

    expect(page.get_by_text("the model has no answer for them: 1")).to_be_visible()
    wait_until(page, lambda: [len(api.verdicts(row["key"])) for row in rows] == [1, 0, 1])


def test_replaced_photo_is_shown_anew_and_gets_no_review(api: FakeApi, visitor: Visitor) -> None:
    # GIVEN an open photo that is overwritten in the meantime
    row = classified(0)
    api.put(row, classified(1))
    page = visitor.signs_in(f"?photo={row['key']}")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Beagle")
    hide(page, True)  # so that the page does not find out by itself
    replaced = classified(0, version="00FF", breed="Samoyed", classified_at=row["classified_at"])
    api.put(replaced)

    # WHEN a word about the old one is given
    page.keyboard.press("y")

    # THEN it does not land on the new one, which is shown
    expect(dialog.get_by_text("was replaced or answered again")).to_be_visible()
    expect(dialog.locator("h2")).to_have_text("Samoyed")
    assert api.verdicts(row["key"]) == []
    page.keyboard.press("y")
    wait_until(page, lambda: api.verdicts(row["key"]) == [("RIGHT", None)])


def test_refused_review_is_taken_back_and_may_be_sent_again(api: FakeApi, visitor: Visitor) -> None:
    page, row = visitor.is_at_one_photo()
    api.faults = {"predictions/": 503}

    page.keyboard.press("n")

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Your review of dog-0.jpg was not saved. The server has a fault.")
    expect(tiles(page).locator(".name")).to_have_text("Beagle")
    api.faults = {}
    alert.get_by_role("button", name="Try again").click()
    wait_until(page, lambda: api.verdicts(row["key"]) == [("NO_DOG", None)])
    expect(tiles(page).locator(".name")).to_have_text("No dog")


def test_quick_words_about_one_photo_arrive_in_order(api: FakeApi, visitor: Visitor) -> None:
    page, row = visitor.is_at_one_photo()

    for key in "y2nu":
        page.keyboard.press(key)

    wait_until(page, lambda: len(api.verdicts(row["key"])) == 4)
    assert [verdict for verdict, _ in api.verdicts(row["key"])] == [
        "RIGHT", "WRONG_BREED", "NO_DOG", "UNSURE",
    ]  # fmt: skip


def test_reader_is_told_why_there_are_no_buttons(api: FakeApi, visitor: Visitor) -> None:
    api.can_review = False
    row = classified(0)
    api.put(row)
    page = visitor.signs_in()
    expect(page.get_by_role("button", name="Upload photos")).to_have_count(0)

    tiles(page).focus()
    page.keyboard.press("y")
    page.keyboard.press("Enter")

    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Ask for the group reviewers")
    expect(dialog.get_by_role("button", name="Right")).to_have_count(0)
    expect(dialog.locator("button.guess")).to_have_count(0)
    assert api.asked("PUT", "predictions") == []


def test_single_keys_can_be_turned_off(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(0))
    page = visitor.signs_in()
    page.keyboard.press("?")
    page.get_by_label("Single keys do these things").uncheck()
    page.keyboard.press("Escape")

    tiles(page).focus()
    page.keyboard.press("x")

    expect(tiles(page)).to_have_attribute("aria-selected", "false")
