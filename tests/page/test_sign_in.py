"""Coming in, staying in, and what happens to words when the sign-in ends in between."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.page.fake_api import FakeApi
from tests.page.rows import PERSON, classified
from tests.page.visitor import Visitor, sign_in, tiles, wait_until


def test_stranger_sees_an_invitation_and_no_request_is_made(api: FakeApi, visitor: Visitor) -> None:
    page = visitor.opens()

    expect(page.get_by_role("heading", name="Which dog is it?")).to_be_visible()
    assert api.asked("GET", "predictions") == []


def test_sign_in_comes_back_to_the_view_that_was_asked_for(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(0), classified(1))

    page = visitor.signs_in("?breed=Beagle&order=least_sure")

    expect(tiles(page)).to_have_count(1)
    assert page.url == api.url + "?breed=Beagle&order=least_sure"
    expect(page.get_by_text(PERSON)).to_be_visible()


def test_no_token_is_kept_where_a_script_could_read_it(api: FakeApi, visitor: Visitor) -> None:
    page = visitor.signs_in()

    kept = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert not any(token in kept for token in api.tokens)


def test_reload_needs_no_second_sign_in(api: FakeApi, visitor: Visitor) -> None:
    api.put(classified(0))
    page = visitor.signs_in()

    page.reload()

    expect(tiles(page)).to_have_count(1)


def test_token_that_ran_out_is_renewed_unseen(api: FakeApi, visitor: Visitor) -> None:
    page, row = visitor.is_at_one_photo()

    api.expire_tokens()
    page.keyboard.press("y")

    wait_until(page, lambda: api.verdicts(row["key"]) == [("RIGHT", None)])
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_review_given_after_the_sign_in_ended_is_sent_after_the_next(
    api: FakeApi, visitor: Visitor
) -> None:
    # GIVEN somebody whose sign-in ends in mid-review
    rows = [classified(0), classified(1)]
    api.put(*rows)
    page = visitor.signs_in("?photo=" + rows[0]["key"])
    expect(page.get_by_role("dialog")).to_contain_text("Beagle")
    api.end_sessions()

    # WHEN a word is given, and the person signs in again
    page.keyboard.press("n")
    page.get_by_role("dialog", name="Your sign-in has ended").wait_for()
    assert api.verdicts(rows[0]["key"]) == []
    page.get_by_role("button", name="Sign in again").click()
    page.get_by_role("button", name="Go on").click()

    # THEN it is sent, and the same photo is open
    expect(page.get_by_text("Saved: 1 review")).to_be_visible()
    assert api.verdicts(rows[0]["key"]) == [("NO_DOG", None)]
    expect(page.locator("dialog.loupe h2")).to_have_text("No dog")


def test_half_typed_breed_survives_the_end_of_the_sign_in(api: FakeApi, visitor: Visitor) -> None:
    row = classified(0)
    api.put(row, classified(1))
    page = visitor.signs_in("?photo=" + row["key"])
    expect(page.get_by_role("dialog")).to_contain_text("Beagle")
    page.keyboard.press("t")
    page.keyboard.type("Otterh")
    api.end_sessions()

    # the next look for news finds out
    page.get_by_role("dialog", name="Your sign-in has ended").wait_for()
    page.get_by_role("button", name="Sign in again").click()
    page.get_by_role("button", name="Go on").click()

    expect(page.get_by_role("combobox", name="Which breed is it?")).to_have_value("Otterh")
    page.keyboard.type("ound")
    page.keyboard.press("Enter")
    wait_until(page, lambda: api.verdicts(row["key"]) == [("NEW_BREED", "Otterhound")])


def test_words_of_one_person_are_never_sent_for_another(api: FakeApi, visitor: Visitor) -> None:
    page, row = visitor.is_at_one_photo()
    api.end_sessions()
    page.keyboard.press("y")
    page.get_by_role("dialog", name="Your sign-in has ended").wait_for()

    api.user = "grace@example.com"
    page.get_by_role("button", name="Sign in again").click()
    page.get_by_role("button", name="Go on").click()

    expect(tiles(page)).to_have_count(1)
    wait_until(page, lambda: page.evaluate("sessionStorage.said") == "[]")
    assert api.verdicts(row["key"]) == []


def test_sign_out_ends_the_session(api: FakeApi, visitor: Visitor) -> None:
    page = visitor.signs_in()

    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert api.asked("DELETE", "session") == [204]
    sign_in(page)


def test_failed_sign_in_is_said_in_words(api: FakeApi, visitor: Visitor) -> None:
    page = visitor.opens()
    api.faults = {"session": 503}
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Go on").click()

    expect(page.get_by_role("alert").first).to_contain_text("The server has a fault")
