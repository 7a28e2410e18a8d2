"""Photos onto the page: straight to the bucket, each with its bar, until its answer is there."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.page.fake_api import LARGEST, FakeApi
from tests.page.rows import classified, instant
from tests.page.visitor import Visitor, drop, pass_time, stop_the_clock, tiles

JPEG = "image/jpeg"


def test_dropped_photos_appear_with_their_answers(api: FakeApi, visitor: Visitor) -> None:
    page = visitor.signs_in()

    drop(page, *((f"dog-{number}.jpg", JPEG, 5_000) for number in range(20)))

    expect(tiles(page)).to_have_count(20)
    panel = page.get_by_role("complementary", name="Uploads")
    expect(panel.get_by_role("heading")).to_have_text("20 photos answered")
    # One request brings the forms of many.
    assert len(api.asked("POST", "uploads")) < 5


def test_one_that_fails_is_named_and_tried_again(api: FakeApi, visitor: Visitor) -> None:
    api.refused_files = {"bad": 1}
    page = visitor.signs_in()

    drop(page, ("good-1.jpg", JPEG, 10), ("bad.jpg", JPEG, 10), ("good-2.jpg", JPEG, 10))

    panel = page.get_by_role("complementary", name="Uploads")
    expect(panel.get_by_role("heading")).to_have_text("2 photos answered, 1 failed")
    expect(panel.locator("li.failed")).to_contain_text("bad.jpg")
    expect(panel.locator("li.failed")).to_contain_text("The store refused the file")
    panel.get_by_role("button", name="Try again with bad.jpg").click()
    expect(panel.get_by_role("heading")).to_have_text("3 photos answered")
    expect(tiles(page)).to_have_count(3)


def test_what_cannot_be_a_photo_is_named_at_once(api: FakeApi, visitor: Visitor) -> None:
    page = visitor.signs_in()

    drop(
        page,
        ("notes.txt", "text/plain", 10),
        ("huge.jpg", JPEG, LARGEST + 1),
        ("empty.png", "image/png", 0),
        ("dog.heic", "", 10),
        (".DS_Store", "", 10),
    )

    alerts = page.get_by_role("alert")
    expect(alerts).to_contain_text("Left out, because it is not a photo: notes.txt.")
    expect(alerts).to_contain_text("Left out, because it is larger than 26.2 MB: huge.jpg.")
    expect(alerts).to_contain_text("Left out, because it is empty: empty.png.")
    expect(tiles(page)).to_have_count(1)
    (file,) = api.files()
    assert (file["name"], file["content_type"]) == ("dog.heic", "image/heic")


def test_folder_is_uploaded_with_those_inside(
    api: FakeApi, visitor: Visitor, tmp_path: Path
) -> None:
    (tmp_path / "inside").mkdir()
    for name in ("a.jpg", "inside/b.png"):
        (tmp_path / name).write_bytes(b"x" * 10)
    page = visitor.signs_in()

    page.get_by_label("Folder to upload").first.set_input_files(tmp_path)

    expect(tiles(page)).to_have_count(2)


def test_bar_is_shown_while_a_photo_is_on_its_way(api: FakeApi, visitor: Visitor) -> None:
    api.bucket_gate.clear()
    page = visitor.signs_in()

    drop(page, ("dog.jpg", JPEG, 100_000))

    panel = page.get_by_role("complementary", name="Uploads")
    expect(panel.get_by_role("progressbar", name="Upload of dog.jpg")).to_be_visible()
    expect(panel.get_by_role("heading")).to_have_text("0 of 1 photo done")
    api.bucket_gate.set()
    expect(panel.get_by_role("progressbar")).to_have_count(0)


def test_answer_appears_within_a_second_of_the_row(api: FakeApi, visitor: Visitor) -> None:
    api.answers_uploads = False
    page = visitor.signs_in(clock=True)
    drop(page, ("dog.jpg", JPEG, 10))
    page.get_by_text("Waiting for the answer").wait_for()
    page.wait_for_load_state("networkidle")
    stop_the_clock(page)

    api.answer(api.files()[0]["key"])
    pass_time(page, 1_000, tiles(page).count)


def test_answer_is_found_although_many_others_came_first(api: FakeApi, visitor: Visitor) -> None:
    api.answers_uploads = False
    page = visitor.signs_in("?view=queue")
    drop(page, ("dog.jpg", JPEG, 10))
    page.get_by_text("Waiting for the answer").wait_for()
    api.put(*(classified(number, classified_at=instant(-60)) for number in range(150)))
    api.answer(api.files()[0]["key"])

    panel = page.get_by_role("complementary", name="Uploads")
    expect(panel.get_by_role("heading")).to_have_text("1 photo answered")


def test_upload_under_a_filter_tells_its_answer_too(api: FakeApi, visitor: Visitor) -> None:
    page = visitor.signs_in("?status=REJECTED")

    drop(page, ("dog.jpg", JPEG, 10))

    panel = page.get_by_role("complementary", name="Uploads")
    expect(panel).to_contain_text("Beagle, 99%")
    panel.get_by_role("button", name="Show dog.jpg").click()
    expect(page.get_by_role("dialog")).to_contain_text("dog.jpg")


def test_reader_who_drops_a_photo_is_told_why_not(api: FakeApi, visitor: Visitor) -> None:
    api.can_review = False
    page = visitor.signs_in()

    drop(page, ("dog.jpg", JPEG, 10))

    expect(page.get_by_role("alert")).to_contain_text("You may look, not upload.")
    assert api.asked("POST", "uploads") == []
