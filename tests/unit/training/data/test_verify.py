"""What verify finds, and what it must not find."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from rich.console import Console

from rigs.photos import DOGS
from tests.unit.training.data.photos import encoded, jpeg, photo, small_set, write_files
from training.data.dataset import DataSet
from training.data.errors import DataError
from training.data.fingerprint import MAX_DISTANCE, as_array, fingerprint, near_groups
from training.data.inspection import inspect
from training.data.report import SHOWN, show
from training.data.verify import Report, verify

_FIRST = "train/001.Beagle/00.jpg"


def _verified(folder: Path, files: dict[str, bytes]) -> Report:
    return verify(DataSet.open(write_files(folder, files)), lambda: None)


def _found(report: Report) -> dict[str, tuple[str, ...]]:
    return {finding.code: finding.items for finding in report.findings}


def test_good_set_has_no_finding_and_the_data_sets_hash(tmp_path: Path) -> None:
    report = _verified(tmp_path, small_set())
    assert (report.ok, report.findings) == (True, ())
    assert report.hash == DataSet.open(tmp_path).hash
    assert report.counts["Golden retriever"] == {"train": 12, "valid": 2, "test": 2}


def test_every_photo_is_counted_as_progress(tmp_path: Path) -> None:
    seen: list[None] = []
    verify(DataSet.open(write_files(tmp_path, small_set())), lambda: seen.append(None))
    assert len(seen) == 32


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>not found</html>", id="a web page"),
        pytest.param(jpeg(0)[: len(jpeg(0)) // 2], id="half a JPEG"),
        pytest.param(encoded(photo(0), "PNG")[:-500], id="PNG"),
        pytest.param(encoded(photo(0), "WEBP")[:-60], id="WebP"),
        pytest.param(b"\0\0\0\x18ftypheic" + bytes(50), id="HEIC under another name"),
    ],
)
def test_photo_that_training_cannot_decode_is_an_error(tmp_path: Path, content: bytes) -> None:
    report = _verified(tmp_path, small_set() | {_FIRST: content})
    assert not report.ok
    (item,) = _found(report)["unreadable"]
    assert item.startswith(_FIRST)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(jpeg(0)[:-20], id="JPEG without its last bytes"),
        pytest.param(encoded(photo(0, (900, 700)), progressive=True)[:-400], id="progressive"),
    ],
)
def test_nearly_whole_jpeg_is_a_photo_as_it_is_to_the_function(
    tmp_path: Path, content: bytes
) -> None:
    assert _verified(tmp_path, small_set() | {_FIRST: content}).ok


@pytest.mark.parametrize(
    "fault", [MemoryError(), TimeoutError("busy"), ChildProcessError("no process")]
)
def test_machine_that_cannot_read_a_photo_is_said_by_the_photos_name(
    tmp_path: Path, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("training.data.inspection.read", fail)
    with pytest.raises(DataError, match=r"00\.jpg: this machine could not read it"):
        _verified(tmp_path, small_set())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_of_pixels_is_inspected(tmp_path: Path, mode: str) -> None:
    if mode in ("I;16", "I", "F"):
        image = Image.fromarray(np.arange(6400, dtype=np.int32).reshape(80, 80)).convert(mode)
    else:
        image = photo(0).convert(mode)
    path = tmp_path / "x.tif"
    path.write_bytes(encoded(image, "PNG" if mode in ("LA", "RGBA") else "TIFF"))
    assert inspect(path).problem is None


def test_file_that_cannot_be_read_is_an_error_and_leaves_no_hash(tmp_path: Path) -> None:
    root = write_files(tmp_path, small_set())
    (root / "train/001.Beagle/gone.jpg").symlink_to(tmp_path / "nowhere")
    report = verify(DataSet.open(root), lambda: None)
    assert "cannot be read" in _found(report)["unreadable"][0]
    assert report.hash is None


def test_same_file_in_two_splits_is_an_error(tmp_path: Path) -> None:
    files = small_set()
    files["test/001.Beagle/copy.jpg"] = files[_FIRST]
    report = _verified(tmp_path, files)
    assert not report.ok
    assert _found(report) == {"leak": (f"test/001.Beagle/copy.jpg = {_FIRST}",)}


def test_copies_within_a_split_are_warnings(tmp_path: Path) -> None:
    files = small_set()
    files["train/001.Beagle/copy.jpg"] = files[_FIRST]
    files["train/002.Golden_retriever/other.jpg"] = files["train/001.Beagle/01.jpg"]
    report = _verified(tmp_path, files)
    assert report.ok
    assert _found(report) == {
        "copy": (f"{_FIRST} = train/001.Beagle/copy.jpg",),
        "two-labels": ("train/001.Beagle/01.jpg = train/002.Golden_retriever/other.jpg",),
    }


_EDITS = {
    "worse quality": lambda image: encoded(image, quality=20),
    "smaller": lambda image: encoded(image.resize((image.width // 2, image.height // 2))),
    "stretched": lambda image: encoded(image.resize((image.width, image.height * 3 // 4))),
    "another format": lambda image: encoded(image, "PNG"),
    "grey": lambda image: encoded(image.convert("L")),
    "mirrored": lambda image: encoded(ImageOps.mirror(image)),
    "brighter": lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.2)),
    "cropped by 1 %": lambda image: encoded(ImageOps.crop(image, image.width // 100)),
}


@pytest.mark.parametrize("edit", _EDITS)
def test_edited_copy_in_another_split_is_a_warning(tmp_path: Path, edit: str) -> None:
    original = photo(500, (400, 300))
    files = small_set() | {
        "train/001.Beagle/original.jpg": encoded(original, quality=95),
        "valid/001.Beagle/edited.jpg": _EDITS[edit](original),
    }
    report = _verified(tmp_path, files)
    assert report.ok
    (item,) = _found(report)["near-leak"]
    assert "original.jpg = valid/001.Beagle/edited.jpg (distance" in item


def test_edited_copy_in_the_same_split_is_another_warning(tmp_path: Path) -> None:
    files = small_set() | {"train/001.Beagle/again.png": encoded(photo(0), "PNG")}
    assert list(_found(_verified(tmp_path, files))) == ["near-copy"]


def test_plain_areas_are_not_compared(tmp_path: Path) -> None:
    plain = {
        f"{split}/001.Beagle/{colour}.png": encoded(Image.new("RGB", (90, 90), colour), "PNG")
        for split, colour in (("train", "red"), ("train", "blue"), ("test", "white"))
    }
    assert _verified(tmp_path, small_set() | plain).findings == ()


def test_near_groups_joins_chains_and_leaves_strangers() -> None:
    random = np.random.default_rng(0)
    bits = random.integers(0, 2, (40, 256), dtype=np.uint8)
    for row, like in ((7, 3), (30, 7), (12, 20)):  # 3 - 7 - 30 is a chain
        bits[row] = bits[like]
        bits[row, random.choice(256, MAX_DISTANCE, replace=False)] ^= 1
    prints = as_array([np.packbits(row).tobytes() for row in bits])
    strangers = as_array([random.bytes(32) for _ in bits])
    assert near_groups(prints, strangers) == [([3, 7, 30], 60), ([12, 20], 60)]


def test_near_groups_joins_groups_that_a_later_pair_links() -> None:
    random = np.random.default_rng(0)
    bits = random.integers(0, 2, (4, 256), dtype=np.uint8)
    steps = random.permutation(256)
    bits[2] = bits[0]  # 0 - 2 - 3 - 1, each 40 apart; 2 - 3 comes last
    bits[2, steps[:40]] ^= 1
    bits[3] = bits[2]
    bits[3, steps[40:80]] ^= 1
    bits[1] = bits[3]
    bits[1, steps[80:120]] ^= 1
    prints = as_array([np.packbits(row).tobytes() for row in bits])
    strangers = as_array([random.bytes(32) for _ in bits])
    assert near_groups(prints, strangers) == [([0, 1, 2, 3], 40)]


def test_near_groups_needs_at_most_the_distance() -> None:
    one = np.zeros(256, dtype=np.uint8)
    other = one.copy()
    other[: MAX_DISTANCE + 1] = 1
    prints = as_array([np.packbits(row).tobytes() for row in (one, other)])
    far = as_array([np.packbits(1 - row).tobytes() for row in (one, other)])
    assert near_groups(prints, far) == []
    assert near_groups(as_array([]), as_array([])) == []


def test_fingerprint_of_a_mirror_image_is_the_mirror_fingerprint() -> None:
    there, back = fingerprint(photo(1)), fingerprint(ImageOps.mirror(photo(1)))
    assert there is not None
    assert back is not None
    assert near_groups(as_array([there[0], back[0]]), as_array([there[1], back[1]]))


def test_missing_and_small_classes_are_warnings(tmp_path: Path) -> None:
    files = small_set({"train": 9, "valid": 1, "test": 1})
    del files["valid/002.Golden_retriever/00.jpg"]
    report = _verified(tmp_path, files)
    assert report.ok
    assert _found(report) == {
        "missing-class": ("Golden retriever: none in valid",),
        "small-class": ("Beagle: 9", "Golden retriever: 9"),
    }


def test_split_without_photos_is_an_error(tmp_path: Path) -> None:
    root = write_files(tmp_path, small_set({"train": 12, "valid": 2}))
    (root / "test").mkdir()
    report = verify(DataSet.open(root), lambda: None)
    assert not report.ok
    assert _found(report) == {"empty-split": ("test holds no photo",)}


def test_other_files_are_a_warning(tmp_path: Path) -> None:
    report = _verified(tmp_path, small_set() | {"train/001.Beagle/notes.txt": b""})
    assert _found(report) == {"not-a-picture": ("train/001.Beagle/notes.txt",)}


def test_set_split_here_names_the_file_and_its_split(tmp_path: Path) -> None:
    files = {f"{name}/{number}.jpg": jpeg(1000 * i + number)
             for i, name in enumerate(("cat", "dog")) for number in range(20)}  # fmt: skip
    report = _verified(tmp_path, files | {"cat/0.png": encoded(photo(0), "PNG")[:-500]})
    (item,) = _found(report)["unreadable"]
    assert item.partition("]")[0] in {f"cat/0.png [{s}" for s in ("train", "valid", "test")}


def test_report_is_bounded_and_shows_names_as_they_are(tmp_path: Path) -> None:
    broken = {f"train/001.Beagle/[red]{number}.jpg": b"x" for number in range(50)}
    report = _verified(tmp_path, small_set() | broken)
    text = io.StringIO()
    show(report, Console(file=text, width=200))
    assert text.getvalue().count("[red]") == SHOWN
    assert f"and {50 - SHOWN} more" in text.getvalue()
    assert "not fit to train on, 1 error, 0 warnings" in text.getvalue()


def test_long_group_of_copies_is_cut_short_in_the_report(tmp_path: Path) -> None:
    files = small_set()
    copies = {f"train/001.Beagle/copy{number}.jpg": files[_FIRST] for number in range(99)}
    text = io.StringIO()
    show(_verified(tmp_path, files | copies), Console(file=text, width=400))
    assert "... (100)" in text.getvalue()
    assert text.getvalue().count("copy") < 20


@pytest.mark.skipif(not DOGS.is_dir(), reason="no real photos; DOGS_DATA names their folder")
def test_known_pairs_of_real_photos_are_found_and_others_not() -> None:
    names = [
        "test/001.Affenpinscher/n02110627_12997.jpg",  # mirrored
        "train/001.Affenpinscher/n02110627_11620.jpg",
        "test/108.Sussex_spaniel/n02102480_6780.jpg",  # other colours and crop
        "train/108.Sussex_spaniel/n02102480_6651.jpg",
        "train/049.Giant_schnauzer/n02097130_2574.jpg",  # the closest two that are not the same
        "valid/098.Scottish_deerhound/n02092002_942.jpg",
    ]
    if not all((DOGS / name).is_file() for name in names):
        pytest.skip("another data set")
    found = [inspect(DOGS / name).prints for name in names]
    prints = as_array([pair[0] for pair in found if pair])
    mirrored = as_array([pair[1] for pair in found if pair])
    assert near_groups(prints, mirrored) == [([0, 1], 36), ([2, 3], 60)]


def test_what_spoils_a_training_is_an_error_and_all_else_a_warning(tmp_path: Path) -> None:
    files = small_set({"train": 7, "valid": 1, "test": 1})
    # a photo alone comes before every group of copies
    files["train/001.Beagle/zz.jpg"] = files["train/001.Beagle/05.jpg"]
    files["train/002.Golden_retriever/zz.jpg"] = files["train/001.Beagle/04.jpg"]
    files["test/001.Beagle/zz.jpg"] = files["train/001.Beagle/03.jpg"]
    files["train/001.Beagle/again.png"] = encoded(photo(0), "PNG")
    files["test/002.Golden_retriever/again.png"] = encoded(photo(1), "PNG")
    files["notes.txt"] = b""
    del files["valid/001.Beagle/00.jpg"]
    report = _verified(tmp_path, files)
    severities = {finding.code: finding.severity for finding in report.findings}
    assert severities == {
        "leak": "error", "two-labels": "warning", "copy": "warning", "near-leak": "warning",
        "near-copy": "warning", "missing-class": "warning", "small-class": "warning",
        "not-a-picture": "warning",
    }  # fmt: skip
