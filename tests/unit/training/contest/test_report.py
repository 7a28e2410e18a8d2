"""The page: whole in itself, bounded, and its text cannot break it."""

from pathlib import Path

from PIL import Image

from tests.unit.training.contest.models import model, other, photos
from training.contest import report
from training.contest.answers import Photo
from training.contest.verdict import judge

EVIL = "<script>alert('Pug')</script>"


def test_flips_carry_their_picture_and_both_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (400, 300), "red").save(path)
    shown = [Photo(path, f"test/{EVIL}/a.png", EVIL), *photos(3)]
    labels = (EVIL, "Beagle", "Pug", "Whippet")
    champion = model(shown, labels=labels)
    challenger = other(model(shown, {shown[0].name}, labels))

    page = report.page(judge(champion, challenger, shown, []), champion, challenger)

    assert "1 lost, 0 won" in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page


def test_photo_that_is_gone_leaves_a_gap_and_the_number_is_bounded() -> None:
    shown = photos(100)
    champion, challenger = model(shown), other(model(shown, {one.name for one in shown}))

    page = report.page(judge(champion, challenger, shown, []), champion, challenger)

    assert page.count("<figure") == report.MOST_PICTURES
    assert (
        f"Right with one model and wrong with the other: 300 lost, 0 won. "
        f"{report.MOST_PICTURES} of them are shown." in page
    )
