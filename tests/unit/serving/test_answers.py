"""From probabilities to answers: ranks, thresholds, and which photos are looked at again."""

import gzip
import json
import math
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serving import package
from serving.model import CLOSE, TOP, Model, Prediction
from serving.package import (
    ENERGY,
    DogScore,
    Manifest,
    Novelty,
    PackageError,
    read_package,
    unpack,
    write_archive,
)
from serving.preprocess import PreprocessSpec, normalisation, normalise

SPEC = PreprocessSpec(40, 32, "bicubic", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
LABELS = ("Beagle", "Pug", "Dhole", "Chow", "Puli", "Saluki")


class FakeBackbone:
    """A picture's first value is its feature."""

    def __init__(self, shift: float = 0) -> None:
        self.shift = shift
        self.calls: list[tuple[tuple[int, ...], bool]] = []

    def __call__(
        self, batch: NDArray[np.uint8], alone: bool = False
    ) -> tuple[NDArray[np.float32], ...]:
        assert batch.dtype == np.uint8
        self.calls.append((batch.shape, alone))
        return ((batch[:, :1, 0, 0] + self.shift).astype(np.float32),)


class FakeHeads:
    """A feature is the row of a table of logits, given as probabilities, and of dogs' masses."""

    def __init__(self, rows: list[list[float]], dogs: list[float] | None = None) -> None:
        with np.errstate(divide="ignore"):
            self.rows = np.log(np.array(rows, np.float64))
        self.dogs = None if dogs is None else np.array(dogs, np.float32)

    def __call__(self, features: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        at = features[:, 0].astype(int)
        return (self.rows[at],) if self.dogs is None else (self.rows[at], self.dogs[at])


def model(
    rows: list[list[float]], dogs: list[float] | None = None, exact: FakeBackbone | None = None
) -> Model:
    score = None if dogs is None else DogScore(1000, 151, 268, 0.5)
    width = len(rows[0])
    labels = LABELS[:width] if width <= len(LABELS) else tuple(map(str, range(width)))
    manifest = Manifest("m", "b", labels, (1, width), SPEC, score, "0" * 64)
    parts: list[Any] = [FakeBackbone(), FakeHeads(rows, dogs), exact]
    return Model(manifest, *parts)


def photos(*numbers: int) -> NDArray[np.uint8]:
    return np.stack([np.full((32, 32, 3), number, np.uint8) for number in numbers])


def test_answer_is_the_five_best_in_order_rounded_to_six_places() -> None:
    row = [0.1, 0.3000004, 0.05, 0.25, 0.2, 0.0999996]

    (found,) = model([row]).predict(photos(0))

    assert TOP == 5
    assert [label for label, _ in found.top] == ["Pug", "Chow", "Puli", "Beagle", "Saluki"]
    assert found.top[0] == ("Pug", 0.3)
    assert (found.label, found.confidence, found.dog_probability) == ("Pug", 0.3, None)


def test_equal_probabilities_keep_the_labels_order() -> None:
    (found,) = model([[0.2, 0.4, 0.4]]).predict(photos(0))
    assert [label for label, _ in found.top] == ["Pug", "Dhole", "Beagle"]

    (found,) = model([[0.0, 0.002] * 500]).predict(photos(0))  # too many to be sorted by insertion
    assert [label for label, _ in found.top] == ["1", "3", "5", "7", "9"]


@pytest.mark.parametrize("dog", [0.4000004, 0.6000004])
def test_dog_probability_is_rounded_to_six_places(dog: float) -> None:
    (found,) = model([[0.75, 0.25]], [dog]).predict(photos(0))
    assert found.dog_probability == round(dog, 1)
    (found,) = model([[0.005] * 200]).predict(photos(0))
    assert [label for label, _ in found.top] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("dog", "expected"),
    [
        (0.5, Prediction("Pug", 0.75, 0.5, (("Pug", 0.75), ("Beagle", 0.25)))),
        (0.25, Prediction(None, 0.75, 0.25, (("Pug", 0.75), ("Beagle", 0.25)))),
        (1.5, Prediction("Pug", 0.75, 1.0, (("Pug", 0.75), ("Beagle", 0.25)))),
        (-0.5, Prediction(None, 1.0, 0.0, (("Pug", 0.75), ("Beagle", 0.25)))),
        (0.1234567, Prediction(None, 0.876543, 0.123457, (("Pug", 0.75), ("Beagle", 0.25)))),
    ],
)
def test_no_dog_is_the_answer_below_the_threshold(dog: float, expected: Prediction) -> None:
    assert model([[0.25, 0.75]], [dog]).predict(photos(0)) == [expected]


@pytest.mark.parametrize(
    ("row", "dog", "again"),
    [
        ([0.5, 0.301, 0.199], None, True),
        ([0.5, 0.299, 0.201], None, False),
        ([0.3, 0.09] + [0.0871] * 7, None, False),
        ([1.0], None, False),
        ([0.9, 0.1], 0.59, True),
        ([0.9, 0.1], 0.6, False),
        ([0.9, 0.1], 0.61, False),
        ([0.5, 0.45, 0.05], 0.61, True),
        ([0.9, 0.1], 0.41, True),
        ([0.9, 0.1], 0.4, False),
        ([0.9, 0.1], 0.39, False),
        ([0.5, 0.45, 0.05], 0.39, False),  # of what is no dog, no breed is told
    ],
)
def test_photo_is_looked_at_again_where_a_little_would_make_it_another_answer(
    row: list[float], dog: float | None, again: bool
) -> None:
    exact = FakeBackbone(shift=1)
    dogs = None if dog is None else [dog, 1.0]
    found = model([row, [0.0] * (len(row) - 1) + [1.0]], dogs, exact).predict(photos(0))

    assert CLOSE == 0.2
    assert bool(exact.calls) is again
    assert (found[0].top[0][1] == 1.0) is (again or row == [1.0])


def test_only_close_answers_are_looked_at_again_and_take_their_own_places() -> None:
    rows = [[0.9, 0.1], [0.52, 0.48], [0.8, 0.2], [0.05, 0.95]]
    exact = FakeBackbone(shift=2)
    served = model(rows, None, exact)

    found = served.predict(photos(0, 1, 2, 1), alone=True)

    assert [(answer.label, answer.confidence) for answer in found] == [
        ("Beagle", 0.9),
        ("Pug", 0.95),
        ("Beagle", 0.8),
        ("Pug", 0.95),
    ]
    assert exact.calls == [((2, 32, 32, 3), True)]
    assert served.backbone.calls == [((4, 32, 32, 3), True)]  # type: ignore[attr-defined]
    served.predict(photos(1))
    assert exact.calls[1:] == [((1, 32, 32, 3), False)]


def test_every_network_is_warmed_up_with_so_many_pictures() -> None:
    exact = FakeBackbone()
    served = model([[0.5, 0.5]], None, exact)

    served.warm_up(3, alone=True)
    served.warm_up(2)

    expected = [((3, 32, 32, 3), True), ((2, 32, 32, 3), False)]
    assert exact.calls == served.backbone.calls == expected  # type: ignore[attr-defined]
    model([[0.5, 0.5]]).warm_up(1)


@pytest.mark.parametrize(
    ("row", "finite"), [([0.5, 0.5], True), ([0.5, np.nan], False), ([np.inf, 0], False)]
)
def test_model_whose_answers_are_no_numbers_is_found(row: list[float], finite: bool) -> None:
    assert model([row] * 200).is_finite() is finite


@pytest.mark.parametrize(
    ("first", "last", "fits"),
    [(0, 0, True), (0, 3, True), (3, 3, True), (-1, 2, False), (2, 1, False), (0, 4, False)],
)
def test_dog_score_is_a_span_of_the_classes(first: int, last: int, fits: bool) -> None:
    if fits:
        DogScore(4, first, last, 0.5)
    else:
        with pytest.raises(ValueError, match=f"classes {first} to {last} do not fit 4"):
            DogScore(4, first, last, 0.5)


@pytest.mark.parametrize(
    ("threshold", "fits"), [(0, True), (1, True), (-0.01, False), (1.01, False)]
)
def test_dog_scores_threshold_is_a_share(threshold: float, fits: bool) -> None:
    if fits:
        DogScore(4, 0, 1, threshold)
    else:
        with pytest.raises(ValueError, match="is not between 0 and 1"):
            DogScore(4, 0, 1, threshold)


def test_version_follows_all_that_decides_and_nothing_else() -> None:
    def version(**changed: Any) -> str:
        values: dict[str, Any] = {"name": "m", "backbone": "b", "labels": ("a", "b")}
        values |= {"head": (1, 2), "preprocess": SPEC, "dog_score": None, "weights_sha256": "0"}
        return Manifest(**{**values, **changed}).version

    assert version() == version(name="other") == version(origin={"seed": 1})
    different = [
        version(),
        version(backbone="c"),
        version(labels=("b", "a")),
        version(head=(1, 3, 2)),
        version(dog_score=DogScore(4, 0, 1, 0.5)),
        version(weights_sha256="1"),
        version(preprocess=PreprocessSpec(41, 32, "bicubic", SPEC.mean, SPEC.std)),
    ]
    assert len(set(different)) == len(different)
    assert len(version()) == 12
    assert (version(), version(dog_score=DogScore(4, 0, 1, 0.5))) == VERSIONS


# A served model's version is in every row: it must not change by a change of code.
VERSIONS = ("f51fce07b50b", "4bf19e11db77")


def test_archive_is_the_same_for_everybody_and_readable_by_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "deeper" / "a.tar.gz"
    write_archive(path, {"b/c.txt": b"12", "a.txt": b"3"})

    with tarfile.open(path) as archive:
        entries = archive.getmembers()
    assert [(e.name, e.size, e.mode, e.mtime, e.uname) for e in entries] == [
        ("a.txt", 1, 0o644, 0, ""),
        ("b/c.txt", 2, 0o644, 0, ""),
    ]
    assert path.read_bytes()[4:8] == bytes(4)  # gzip's own time
    assert gzip.decompress(path.read_bytes())[257:263] == b"ustar\0"
    assert [file.name for file in path.parent.iterdir()] == ["a.tar.gz"]


def test_archive_is_written_beside_its_place_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tar.gz"
    write_archive(path, {"a": b"old"})
    before = path.read_bytes()

    def full(self: Path, _: bytes) -> None:
        self.touch()
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        write_archive(path, {"a": b"new"})
    assert path.read_bytes() == before


def test_limits_are_far_above_any_model_and_below_any_container() -> None:
    assert package.MAX_MANIFEST_BYTES == 16 * 1024**2
    assert package.MAX_WEIGHTS_BYTES == 1024**3
    assert package.MAX_UNPACKED_BYTES == 2 * 1024**3


def test_manifest_may_be_as_large_as_its_limit_and_no_larger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "manifest.json").write_text("{}" + " " * 8)
    monkeypatch.setattr(package, "MAX_MANIFEST_BYTES", 10)
    with pytest.raises(PackageError, match="schema is missing"):
        read_package(tmp_path)
    monkeypatch.setattr(package, "MAX_MANIFEST_BYTES", 9)
    with pytest.raises(PackageError, match=r"manifest\.json: more than 9 bytes"):
        read_package(tmp_path)


def test_archive_of_many_files_is_bounded_by_their_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_archive(tmp_path / "a.tar.gz", {str(n): bytes(10) for n in range(10)})
    monkeypatch.setattr(package, "MAX_UNPACKED_BYTES", 99)
    with pytest.raises(PackageError, match="holds more than 99 bytes"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_picture_is_read_at_twice_the_size_it_is_scaled_to() -> None:
    assert SPEC.least_px == 80


def test_normalisation_is_a_scale_and_an_offset_a_colour() -> None:
    spec = PreprocessSpec(32, 32, "bilinear", (0.5, 0.25, 0.0), (0.5, 0.25, 0.125))

    scale, offset = normalisation(spec)

    assert scale.dtype == offset.dtype == np.float32
    assert scale.tolist() == pytest.approx([1 / 127.5, 1 / 63.75, 1 / 31.875])
    assert offset.tolist() == [-1, -1, 0]
    assert normalise(np.array([0, 255, 51], np.uint8), spec).tolist() == pytest.approx([-1, 3, 1.6])


@pytest.mark.parametrize(
    "change",
    [
        {"crop": 32, "resize": 32},
        {"crop": 1024, "resize": 1024},
        {"mean": (0, 1, 0.5)},
        {"std": (0.001, 1, 0.5)},
    ],
    ids=str,
)
def test_settings_at_their_limits_are_taken(change: dict[str, Any]) -> None:
    values = {"resize": 256, "crop": 224, "interpolation": "bicubic",
              "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}  # fmt: skip
    PreprocessSpec(**{**values, **change})


def test_temperature_sharpens_confidences_and_changes_no_order() -> None:
    plain = model([[0.2, 0.5, 0.3]])
    told = replace(plain.manifest, temperature=0.5)
    sharp = Model(told, plain.backbone, plain.heads)

    (before,), (after,) = plain.predict(photos(0)), sharp.predict(photos(0))

    assert [label for label, _ in after.top] == [label for label, _ in before.top]
    squares = [one * one / 0.38 for one in (0.5, 0.3, 0.2)]
    assert [value for _, value in after.top] == pytest.approx(squares, abs=1e-6)
    assert after.confidence == after.top[0][1]


def novel(rows: list[list[float]], dogs: list[float] | None) -> list[Prediction]:
    """Answers where the validation photos' largest logits are evenly spread from -2 to -1."""
    plain = model(rows, dogs)
    novelty = Novelty((-2.0, -1.5, -1.0), 0.75)
    told = replace(plain.manifest, novelty=novelty)
    return Model(told, plain.backbone, plain.heads).predict(photos(*range(len(rows))))


def test_novelty_is_the_share_of_validation_photos_with_a_larger_logit() -> None:
    rows = [[math.exp(logit), 0.1] for logit in (-3, -2, -1.75, -1.7, -1.5, -1, 0)]

    found = novel(rows, None)

    assert [one.novelty for one in found] == pytest.approx([1, 1, 0.75, 0.7, 0.5, 0, 0], abs=2e-6)
    assert [one.unknown for one in found] == [True, True, True, False, False, False, False]
    assert {one.label for one in found} <= {"Beagle", "Pug"}


def test_novelty_by_the_energy_counts_every_logit() -> None:
    # GIVEN two photos with one largest logit; twice that makes an energy of -1.5 + log 2 = -0.81
    one, other = ([math.exp(-1.5), 1e-9], [math.exp(-1.5), math.exp(-1.5)])
    plain = model([one, other])
    told = replace(plain.manifest, novelty=Novelty((-2.0, -1.5, -1.0), 0.75, ENERGY))

    found = Model(told, plain.backbone, plain.heads).predict(photos(0, 1))

    assert [each.novelty for each in found] == pytest.approx([0.5, 0], abs=2e-6)


def test_of_what_is_no_dog_no_novelty_is_told() -> None:
    dog, other = novel([[math.exp(-3), 0.01]] * 2, [0.9, 0.1])
    assert (dog.novelty, dog.unknown) == (1, True)
    assert (other.label, other.novelty, other.unknown) == (None, None, False)
    (plain,) = model([[0.1, 0.2]]).predict(photos(0))
    assert (plain.novelty, plain.unknown) == (None, False)


@pytest.mark.parametrize(
    "wrong",
    [
        ((1.0,), 0.9),
        ((2.0, 1.0), 0.9),
        ((1.0, 2.0), 0),
        ((1.0, 2.0), 1.1),
        ((1.0, 2.0), 0.9, "luck"),
    ],
)
def test_novelty_that_makes_no_sense_is_refused(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"novelty\."):
        Novelty(*wrong)


def test_manifest_keeps_what_was_measured_and_leaves_out_what_was_not() -> None:
    plain = model([[0.5, 0.5]]).manifest
    assert not {"temperature", "novelty"} & json.loads(plain.to_json()).keys()
    assert replace(plain, temperature=1).version == plain.version
    told = replace(plain, temperature=0.5, novelty=Novelty((1.0, 2.0), 0.98))
    assert Manifest.from_json(told.to_json()) == told
    assert "score" not in json.loads(told.to_json())["novelty"]  # as it was written before
    other = replace(told, novelty=Novelty((1.0, 2.0), 0.98, ENERGY))
    assert Manifest.from_json(other.to_json()) == other
    assert len({one.version for one in (plain, told, other, replace(told, novelty=None))}) == 4
    for wrong in (0, -1, 1000):
        with pytest.raises(ValueError, match="temperature"):
            replace(plain, temperature=wrong)


@pytest.mark.parametrize(
    ("logit", "again"),
    [(-1.745, True), (-1.755, True), (-1.77, False), (-1.73, False), (-3, False)],
)
def test_photo_near_the_threshold_of_novelty_is_looked_at_again(logit: float, again: bool) -> None:
    exact = FakeBackbone()
    plain = model([[math.exp(logit), 0.01]])
    told = replace(plain.manifest, novelty=Novelty((-2.0, -1.5, -1.0), 0.75))

    Model(told, plain.backbone, plain.heads, exact).predict(photos(0))  # type: ignore[arg-type]

    assert bool(exact.calls) is again
