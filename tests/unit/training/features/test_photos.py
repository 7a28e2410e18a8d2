"""Views of a photo, decoding ahead, and photos that cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photo_reader import PhotoError, read
from serving.preprocess import PreprocessSpec, pixels
from training.errors import JobError
from training.features.photos import Decoder, check_skipped, picture, threads

SPEC = PreprocessSpec(48, 32, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Every pixel another colour, so that no two parts are alike."""
    image = Image.linear_gradient("L").resize((120, 90))
    colours = (
        image,
        image.transpose(Image.Transpose.ROTATE_180),
        Image.radial_gradient("L").resize((120, 90)),
    )
    path = tmp_path / "photo.png"
    Image.merge("RGB", colours).save(path)
    return path


def test_first_view_is_what_serving_sees(photo: Path) -> None:
    served = pixels(read(photo.read_bytes(), SPEC.least_px).picture, SPEC)
    assert np.array_equal(picture(photo, SPEC, 0, "a"), served)


def test_second_view_is_the_first_mirrored(photo: Path) -> None:
    plain, mirrored = (picture(photo, SPEC, view, "a").astype(int) for view in (0, 1))
    assert np.abs(plain[:, ::-1] - mirrored).max() <= 2
    assert not np.array_equal(plain, mirrored)


def test_later_views_are_random_but_always_the_same(photo: Path) -> None:
    views = [picture(photo, SPEC, view, "train/a.jpg") for view in range(2, 8)]
    assert all(view.shape == (32, 32, 3) for view in views)
    assert len({view.tobytes() for view in views}) == len(views)
    again = [picture(photo, SPEC, view, "train/a.jpg") for view in range(2, 8)]
    assert all(np.array_equal(a, b) for a, b in zip(views, again, strict=True))
    assert not np.array_equal(picture(photo, SPEC, 2, "train/b.jpg"), views[0])


def test_random_view_of_a_single_pixel_is_still_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "red").save(tmp_path / "dot.png")
    assert picture(tmp_path / "dot.png", SPEC, 2, "dot").shape == (32, 32, 3)


def test_decoder_keeps_order_and_puts_the_error_in_a_broken_photos_place(
    photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    paths = [photo, tmp_path / "broken.jpg", photo, tmp_path / "gone.jpg", photo]
    with threads("test") as pool:
        batches = list(Decoder(SPEC, pool).batches([(path, 0, "a") for path in paths], [2, 2, 1]))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    kinds = [type(item) for batch in batches for item in batch]
    assert kinds == [np.ndarray, PhotoError, np.ndarray, FileNotFoundError, np.ndarray]


def test_few_broken_photos_are_named_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    check_skipped("train", 100, {"train/001.Pug/a.jpg": "the image holds no bytes"})
    told = capsys.readouterr().out
    assert "train: 1 of 100 photos cannot be read and are left out" in told
    assert "train/001.Pug/a.jpg: the image holds no bytes" in told


def test_many_broken_photos_end_the_job_with_their_names() -> None:
    errors = {f"train/001.Pug/{number}.jpg": "broken" for number in range(12)}
    with pytest.raises(JobError, match="12 of 1000 photos of train cannot be read") as error:
        check_skipped("train", 1000, errors)
    assert "train/001.Pug/9.jpg: broken\n  and 2 more" in str(error.value)
    assert "python -m training.data verify" in str(error.value)


@pytest.mark.parametrize("fault", [MemoryError(), TimeoutError("busy"), ChildProcessError("none")])
def test_machine_that_cannot_read_a_photo_ends_the_job_with_its_name(
    photo: Path, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("training.features.photos.read", fail)
    with threads("test") as pool, pytest.raises(JobError, match=r"train/a\.jpg: this machine"):
        list(Decoder(SPEC, pool).batches([(photo, 0, "train/a.jpg")], [1]))
