"""The grid: filters in the address, pages with holes, and what is new."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.page.fake_api import FakeApi
from tests.page.rows import classified, instant, no_dog, rejected, unknown_breed
from tests.page.visitor import (
    Visitor,
    hide,
    hold_back,
    pass_time,
    stop_the_clock,
    tiles,
    wait_until,
)


def breeds(page: Page) -> list[str]:
    return [str(name) for name in tiles(page).locator(".name").all_inner_texts()]


def test_tile_shows_breed_and_confidence(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(0, breed="Border_collie", confidence=0.874))

    page = visitor.signs_in()

    expect(tiles(page)).to_contain_text("Border collie")
    expect(tiles(page)).to_contain_text("87%")
    expect(tiles(page).locator("img")).to_have_js_property("complete", True)


def test_tile_of_an_unknown_breed_says_so_and_what_comes_nearest(
    api: FakeApi, visitor: Visitor
) -> None:
    api.put(unknown_breed(0), classified(1))

    page = visitor.signs_in()

    stranger = tiles(page).first
    expect(stranger.locator(".name")).to_have_text("Unknown breed")
    expect(stranger.locator(".badge")).to_have_text("Unknown")
    expect(stranger).to_contain_text("Nearest: Beagle")
    expect(stranger).to_have_accessible_name(re.compile("^Unknown breed, not reviewed"))
    expect(tiles(page).nth(1).locator(".badge")).to_be_hidden()
    expect(page.locator(".counts")).to_contain_text(re.compile("2 dogs.*1 of an unknown breed"))

    page.get_by_role("radio", name="Unknown breed").check()

    expect(tiles(page)).to_have_count(1)
    assert page.url == api.url + "?status=UNKNOWN_BREED"


def test_thumbnail_whose_address_ran_out_is_asked_for_anew(api: FakeApi, visitor: Visitor) -> None:
    api.listed_thumbnails_run_out = True
    api.put(classified(0))

    page = visitor.signs_in()

    expect(tiles(page).locator(".frame.loaded")).to_have_count(1)
    assert api.asked("GET", f"predictions/{classified(0)['id']}/thumbnail") == [200]


def test_rejected_photo_says_why_in_words(api: FakeApi, visitor: Visitor) -> None:
    api.put(rejected(0))
    page = visitor.signs_in()

    expect(tiles(page)).to_contain_text("This is not a photo.")
    tiles(page).click()
    expect(page.get_by_role("dialog")).to_contain_text("what is inside decides")


def test_filters_go_to_the_address_and_open_in_another_browser(
    api: FakeApi, visitor: Visitor
) -> None:
    # GIVEN somebody who filters
    api.put(*(classified(number) for number in range(30)), no_dog(40))
    page = visitor.signs_in()
    page.get_by_role("combobox", name="Breed").fill("pug")
    page.keyboard.press("Enter")
    page.get_by_label("Confidence from, percent").fill("10")
    page.keyboard.press("Enter")
    expect(page).to_have_url(api.url + "?breed=Pug&confidence_from=0.1")
    expect(tiles(page)).to_have_count(2)

    # WHEN another person opens that address
    other = visitor.signs_in("?" + page.url.split("?")[1])

    # THEN they see the same
    expect(tiles(other)).to_have_count(2)
    assert set(breeds(other)) == {"Pug"}
    expect(other.get_by_role("combobox", name="Breed")).to_have_value("Pug")


def test_breed_is_filtered_by_beside_what_was_chosen_until_the_breeds_were_there(
    api: FakeApi, visitor: Visitor
) -> None:
    # GIVEN a server that is slow to tell the breeds
    api.put(*(classified(number) for number in range(30)))
    page = visitor.signs_in()
    let_go = hold_back(page, "**/breeds")
    page.get_by_role("combobox", name="Breed").fill("pug")
    page.keyboard.press("Enter")
    # WHEN another filter is set, and one taken away, before the answer
    page.get_by_label("Order", exact=True).select_option("Least sure first")
    page.get_by_label("Reviews", exact=True).select_option("Not reviewed")
    page.get_by_role("button", name="Remove filter: Not reviewed").click()
    let_go()
    # THEN none is lost
    expect(page).to_have_url(api.url + "?breed=Pug&order=least_sure")


@pytest.mark.parametrize(
    ("label", "option", "query"),
    [
        ("Reviews", "Not reviewed", "?reviewed=false"),
        ("Reviews", "Reviewed", "?reviewed=true"),
        ("Order", "Least sure first", "?order=least_sure"),
    ],
)
def test_choice_is_in_the_address(
    api: FakeApi, visitor: Visitor, label: str, option: str, query: str
) -> None:
    api.put(classified(0))
    page = visitor.signs_in()

    page.get_by_label(label, exact=True).select_option(option)

    expect(page).to_have_url(api.url + query)


def test_days_and_model_version_filter(api: FakeApi, visitor: Visitor) -> None:
    api.put(
        classified(0, classified_at="2026-11-20T10:00:00.000000Z"),
        classified(1, classified_at="2026-11-22T10:00:00.000000Z"),
        classified(2, classified_at="2026-11-22T11:00:00.000000Z", model_version="old"),
    )
    page = visitor.signs_in()

    page.get_by_label("Day from").fill("2026-11-21")
    page.get_by_label("Day from").blur()
    expect(tiles(page)).to_have_count(2)
    page.get_by_label("Model version").fill("old")
    page.get_by_label("Model version").blur()

    expect(tiles(page)).to_have_count(1)
    assert page.url == api.url + "?day_from=2026-11-21&model_version=old"


def test_back_and_forward_work(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(0), no_dog(1))
    page = visitor.signs_in()
    page.get_by_role("radio", name="No dog").check(force=True)
    expect(tiles(page)).to_have_count(1)
    tiles(page).click()
    expect(page.get_by_role("dialog")).to_be_visible()

    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.go_back()
    expect(tiles(page)).to_have_count(2)
    page.go_forward()
    expect(tiles(page)).to_have_count(1)
    expect(page.get_by_role("radio", name="No dog")).to_be_checked()


def test_more_rows_come_while_scrolling(api: FakeApi, visitor: Visitor) -> None:
    api.put(*(classified(number) for number in range(120)))
    page = visitor.signs_in()
    expect(tiles(page)).to_have_count(50)

    for expected in (100, 120):
        page.get_by_role("button", name="Load more").scroll_into_view_if_needed()
        expect(tiles(page)).to_have_count(expected)

    expect(page.get_by_text("That is all: 120 photos.")).to_be_visible()


def test_pages_without_items_are_gone_through_until_the_person_is_asked(
    api: FakeApi, visitor: Visitor
) -> None:
    # GIVEN a breed of which there is one photo, behind 400 of others
    api.put(*(classified(number, breed="Boxer") for number in range(400)))
    api.put(classified(400, breed="Pug"))

    page = visitor.signs_in("?breed=Pug")

    page.get_by_role("button", name="Keep looking").click()
    expect(tiles(page)).to_have_count(1)
    expect(page.get_by_text("That is all: 1 photo.")).to_be_visible()


def test_row_from_elsewhere_appears_within_five_seconds(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(1))
    page = visitor.signs_in(clock=True)
    expect(tiles(page)).to_have_count(1)
    stop_the_clock(page)

    api.put(classified(2, breed="Samoyed", classified_at=instant()))
    pass_time(page, 5_000, tiles(page).filter(has_text="Samoyed").count)

    expect(tiles(page).first).to_contain_text("Samoyed")


def test_new_rows_wait_behind_a_button_while_one_looks_further_down(
    api: FakeApi, visitor: Visitor
) -> None:
    api.put(*(classified(number) for number in range(1, 50)))
    page = visitor.signs_in()
    expect(tiles(page)).to_have_count(49)
    page.evaluate("scrollTo(0, 900)")
    before = tiles(page).nth(20).bounding_box()

    api.put(*(classified(60 + number, classified_at=instant()) for number in range(3)))

    page.get_by_role("button", name="3 new photos").wait_for()
    assert tiles(page).nth(20).bounding_box() == before
    page.get_by_role("button", name="3 new photos").click()
    expect(tiles(page)).to_have_count(52)
    expect(tiles(page).first).to_be_focused()


def test_deleted_photo_leaves_the_grid(api: FakeApi, visitor: Visitor) -> None:
    rows = [classified(number) for number in range(3)]
    api.put(*rows)
    page = visitor.signs_in()
    expect(tiles(page)).to_have_count(3)

    del api.rows[rows[1]["key"]]

    expect(tiles(page)).to_have_count(2)


def test_unchanged_list_is_not_sent_again(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(0))
    page = visitor.signs_in()

    wait_until(page, lambda: 304 in api.asked("GET", "predictions"))


def test_hidden_tab_asks_for_nothing_and_catches_up_at_once(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(1))
    page = visitor.signs_in(clock=True)
    expect(tiles(page)).to_have_count(1)
    stop_the_clock(page)
    asked = len(api.asked("GET", "predictions"))

    pass_time(page, 5_000, lambda: len(api.asked("GET", "predictions")) > asked)
    hide(page, True)
    page.wait_for_load_state("networkidle")
    asked = len(api.requests)
    page.clock.run_for(600_000)
    assert len(api.requests) == asked

    api.put(classified(2, classified_at=instant()))
    hide(page, False)
    expect(tiles(page)).to_have_count(2)


def test_counts_are_no_part_of_the_list(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(0), rejected(1))
    api.faults = {"summary": 503}
    page = visitor.signs_in()
    expect(tiles(page)).to_have_count(2)

    api.faults = {}
    page.reload()
    expect(page.locator(".counts")).to_contain_text(re.compile("1 dog.*1 rejected"))


def test_failure_is_said_in_words_and_may_be_tried_again(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(0))
    api.faults = {"predictions": 503}
    page = visitor.signs_in()
    expect(page.get_by_role("heading", name="The photos could not be loaded")).to_be_visible()

    api.faults = {}
    page.get_by_role("button", name="Try again").click()

    expect(tiles(page)).to_have_count(1)


def test_no_photo_and_no_fitting_photo_are_told_apart(api: FakeApi, visitor: Visitor) -> None:
    page = visitor.signs_in()
    expect(page.get_by_role("heading", name="Drop photos of dogs here")).to_be_visible()

    api.put(classified(0))
    page.goto(api.url + "?status=NO_DOG")
    expect(page.get_by_role("heading", name="No photo fits these filters")).to_be_visible()
    page.get_by_role("button", name="Show all photos").click()
    expect(tiles(page)).to_have_count(1)


def test_slow_list_keeps_its_place_free(api: FakeApi, visitor: Visitor) -> None:
    api.put(*(classified(number) for number in range(12)))
    page = visitor.signs_in()
    expect(tiles(page)).to_have_count(12)

    api.gate.clear()
    page.reload()
    shape = page.locator(".tile.skeleton").nth(7).bounding_box()
    api.gate.set()

    expect(tiles(page)).to_have_count(12)
    assert tiles(page).nth(7).bounding_box() == shape
