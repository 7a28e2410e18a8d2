"""What a training step is fed with: which photos and views, in which order, as what tensors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from serving.preprocess import PreprocessSpec
from tests.unit.training.small import LABELS, features
from training.data.dataset import DataSet
from training.errors import JobError
from training.features.file import Features, SplitFeatures
from training.features.photos import picture
from training.fit import batches, loop
from training.fit.batches import FeatureBatches, PhotoBatches, normalised, order

SPEC = PreprocessSpec(32, 32, "bicubic", (0.5, 0.25, 0.125), (0.5, 0.25, 0.1))


def test_order_is_a_permutation_by_seed_and_epoch_cut_into_batches() -> None:
    found = order(7, 3, 20, 8)

    assert [len(batch) for batch in found] == [8, 8, 4]
    assert sorted(torch.cat(found).tolist()) == list(range(20))
    assert torch.equal(torch.cat(order(7, 3, 20, 8)), torch.cat(found))
    others = [torch.cat(order(*numbers, 20, 8)).tolist() for numbers in ((8, 3), (7, 4))]
    assert torch.cat(found).tolist() not in others


def test_order_views_and_dropout_are_drawn_apart() -> None:
    assert len({batches._ORDER, batches._VIEWS, loop._DROPOUT}) == 3


def test_features_of_the_asked_photos_come_with_their_labels() -> None:
    made = features(views=1)
    source = FeatureBatches(made, seed=0)
    at = [torch.tensor([4, 1]), torch.tensor([7])]

    train, valid = list(source.train(1, at)), list(source.valid(at))

    assert (source.n_train, source.n_valid) == (50, 20)
    for found, split in ((train, made.splits["train"]), (valid, made.splits["valid"])):
        assert [labels.tolist() for _, labels in found] == [[1, 1], [1]]
        assert torch.equal(torch.cat([x for x, _ in found]), split.views[0, [4, 1, 7]])


def test_views_are_drawn_anew_each_epoch_and_alike_in_every_process() -> None:
    source = FeatureBatches(features(views=3), seed=5)
    everything = [torch.arange(50)]

    def drawn(source: FeatureBatches, epoch: int) -> torch.Tensor:
        return next(iter(source.train(epoch, everything)))[0]

    assert torch.equal(drawn(source, 1), drawn(source, 1))
    assert not torch.equal(drawn(source, 1), drawn(source, 2))
    assert not torch.equal(drawn(source, 1), drawn(FeatureBatches(features(3), seed=6), 1))
    (part,) = [x for x, _ in source.train(1, [torch.tensor([3, 9])])]
    assert torch.equal(part, drawn(source, 1)[[3, 9]])


def test_validation_takes_the_first_view() -> None:
    made = features()
    both = torch.stack([made.splits["valid"].views[0], torch.full((20, 8), 9.0)])
    valid = SplitFeatures(both, made.splits["valid"].labels, made.splits["valid"].names, {})
    source = FeatureBatches(Features(made.key, LABELS, {**made.splits, "valid": valid}), seed=0)

    ((found, _),) = source.valid([torch.arange(20)])

    assert torch.equal(found, both[0])


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Six photos of gradients for each split, in two classes."""
    for split in ("train", "valid", "test"):
        for number in range(6):
            path = tmp_path / split / ("a" if number < 3 else "b") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            size = (50 + number, 40)
            image = Image.linear_gradient("L").rotate(20 * number).resize(size)
            Image.merge("RGB", (image, image.transpose(Image.Transpose.ROTATE_180), image)).save(
                path
            )
    return DataSet.open(tmp_path)


def readable(data: DataSet, left_out: int | None = None) -> Features:
    """Features that say which photos could be read."""
    splits = {}
    for name, samples in data.splits.items():
        kept = [s for at, s in enumerate(samples) if name != "train" or at != left_out]
        splits[name] = SplitFeatures(
            torch.zeros(1, len(kept), 1),
            torch.tensor([sample.class_index for sample in kept]),
            tuple(data.names[sample.path] for sample in kept),
            {},
        )
    return Features(features().key, data.labels, splits)


def as_seen(data: DataSet, split: str, at: int, view: int) -> torch.Tensor:
    path = data.splits[split][at].path  # type: ignore[index]
    return normalised([picture(path, SPEC, view, data.names[path])], SPEC)[0]


def test_photos_come_as_normalised_pictures_of_those_that_are_readable(data: DataSet) -> None:
    source = PhotoBatches(data, readable(data, left_out=1), SPEC, views=1)
    at = [torch.tensor([1, 0]), torch.tensor([4])]

    (first, labels), (second, last) = source.train(1, at)

    assert (source.n_train, source.n_valid) == (5, 6)
    assert (labels.tolist(), last.tolist()) == ([0, 0], [1])
    assert torch.equal(first[0], as_seen(data, "train", 2, 0))
    assert torch.equal(first[1], as_seen(data, "train", 0, 0))
    assert torch.equal(second[0], as_seen(data, "train", 5, 0))


@pytest.mark.parametrize(("views", "view"), [(1, 0), (2, 2 + 3)])
def test_training_photos_are_another_square_each_epoch_with_more_views(
    views: int, view: int, data: DataSet
) -> None:
    source = PhotoBatches(data, readable(data), SPEC, views)

    ((found, _),) = source.train(3, [torch.tensor([2])])

    assert torch.equal(found[0], as_seen(data, "train", 2, view))


def test_validation_photos_stay_as_they_are(data: DataSet) -> None:
    source = PhotoBatches(data, readable(data), SPEC, views=4)

    ((found, labels),) = source.valid([torch.tensor([5])])

    assert labels.tolist() == [1]
    assert torch.equal(found[0], as_seen(data, "valid", 5, 0))


def test_photo_that_breaks_during_the_training_ends_it(data: DataSet) -> None:
    source = PhotoBatches(data, readable(data), SPEC, views=1)
    data.train[3].path.write_bytes(b"broken")

    with pytest.raises(JobError, match=r"a photo of train could be read before, not now: (?!None)"):
        list(source.train(1, [torch.tensor([0, 3])]))


def test_pictures_become_channels_first_around_the_mean() -> None:
    level = np.full((4, 4, 3), 255, np.uint8)

    batch = normalised([level, 0 * level], SPEC)

    assert (batch.shape, batch.dtype) == ((2, 3, 4, 4), torch.float32)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch[0, :, 0, 0].tolist() == pytest.approx([1, 3, 8.75], rel=1e-5)
    assert batch[1, :, 3, 3].tolist() == pytest.approx([-1, -1, -1.25], rel=1e-5)
