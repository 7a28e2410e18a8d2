"""The one preprocess function: pictures become tensors here, in training, evaluation and serving.

What turns a file into an upright RGB picture comes before it: photo_reader.

The steps are those of timm's evaluation transform (`timm.data.create_transform` with
`is_training=False`). A test holds the two together: no value differs by more than 2 of 255 levels,
and the mean difference is below a tenth of a level.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

INTERPOLATIONS = ("bilinear", "bicubic")

# What a backbone can be given: five halvings must leave something, and a batch must fit into
# memory. Published networks of these kinds want 224 to 600 pixels.
MIN_SIDE, MAX_SIDE = 32, 1024
MIN_STD = 1e-3  # one level of 255 is 4e-3


@dataclass(frozen=True)
class PreprocessSpec:
    """How a backbone wants its pictures: sizes in pixels, mean and std on a 0..1 scale, RGB."""

    resize: int
    crop: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not MIN_SIDE <= self.crop <= self.resize <= MAX_SIDE:
            raise ValueError(
                f"crop {self.crop} must be at least {MIN_SIDE}, resize {self.resize} at least "
                f"that and at most {MAX_SIDE}"
            )
        if self.interpolation not in INTERPOLATIONS:
            known = ", ".join(INTERPOLATIONS)
            raise ValueError(f"interpolation {self.interpolation!r} is not one of {known}")
        if len(self.mean) != 3 or len(self.std) != 3:
            raise ValueError("mean and std must hold three numbers each")
        # So that not-a-number fits neither.
        if not all(0 <= one <= 1 for one in self.mean):
            raise ValueError(f"mean {self.mean} must lie between 0 and 1")
        if not all(MIN_STD <= one <= 1 for one in self.std):
            raise ValueError(f"std {self.std} must lie between {MIN_STD} and 1")

    @property
    def least_px(self) -> int:
        """The short side at which a photo is to be read, at least.

        Twice what is kept, so that the resize that follows still has enough to average over.
        """
        return 2 * self.resize


def preprocess(image: Image.Image, spec: PreprocessSpec) -> NDArray[np.float32]:
    """An RGB image -> float32 (crop, crop, 3), normalised: what a backbone starts from."""
    return normalise(pixels(image, spec), spec)


def normalise(pictures: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.float32]:
    """uint8 (..., 3) -> float32 (..., 3), as serving does it inside the graph."""
    scale, offset = normalisation(spec)
    return pictures * scale + offset


def normalisation(spec: PreprocessSpec) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(scale, offset) a colour: (x / 255 - mean) / std of 8-bit values as x * scale + offset."""
    mean, std = np.array(spec.mean), np.array(spec.std)
    scale, offset = 1 / (255 * std), -mean / std
    return scale.astype(np.float32), offset.astype(np.float32)


def pixels(image: Image.Image, spec: PreprocessSpec) -> NDArray[np.uint8]:
    """An RGB image -> uint8 (crop, crop, 3): resized, cropped.

    Only what the crop keeps is resized, which gives the same picture at half the cost.
    """
    width, height = _scaled_size(image.size, spec.resize)
    left, top = round((width - spec.crop) / 2), round((height - spec.crop) / 2)
    across, down = image.width / width, image.height / height
    kept = (left * across, top * down, (left + spec.crop) * across, (top + spec.crop) * down)
    resample = Image.Resampling[spec.interpolation.upper()]
    return np.asarray(image.resize((spec.crop, spec.crop), resample, box=kept))


def _scaled_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """The size with its short side at `short_side`; the long side is cut, not rounded."""
    width, height = size
    if width <= height:
        return short_side, int(short_side * height / width)
    return int(short_side * width / height), short_side
