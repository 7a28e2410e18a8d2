"""The one preprocess function against the reference transform, and what else it must take."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from timm.data import create_transform

from serving.preprocess import PreprocessSpec, pixels, preprocess
from tests.unit.serving.pictures import SPEC, picture

SIDES = st.integers(60, 700)


@settings(deadline=None, max_examples=40)
@given(SIDES, SIDES, st.sampled_from(["bilinear", "bicubic"]))
def test_any_size_gives_what_the_reference_transform_gives(
    width: int, height: int, interpolation: str
) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    reference = create_transform(
        (3, 224, 224), interpolation=interpolation, mean=mean, std=std, crop_pct=0.875
    )
    image = picture(width, height)

    ours = preprocess(image, PreprocessSpec(256, 224, interpolation, mean, std))

    theirs = reference(image).permute(1, 2, 0).numpy()
    levels = np.abs(ours - theirs) * 255 * np.array(std)
    assert levels.max() <= 2.01
    assert levels.mean() < 0.1


def test_starter_settings_are_those_of_timms_model() -> None:
    from timm.data import resolve_data_config
    from timm.models import create_model

    config = resolve_data_config(model=create_model("tf_efficientnet_lite0"))
    reference = create_transform(**config)
    image = picture(384, 512)
    theirs = reference(image).permute(1, 2, 0).numpy()
    levels = np.abs(preprocess(image, SPEC) - theirs) * 255 * max(SPEC.std)
    assert levels.max() <= 2.01


@pytest.mark.parametrize("size", [(1, 4_000_000), (4_000_000, 1), (1, 1)])
def test_line_of_pixels_is_cut_before_it_is_scaled_up(size: tuple[int, int]) -> None:
    # Scaled up whole, a line of four million pixels would take 786 GB.
    assert pixels(Image.new("RGB", size, "red"), SPEC).shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": 300}, "crop 300"),
        ({"interpolation": "nearest"}, "'nearest' is not one of bilinear, bicubic"),
        ({"crop": 31}, "crop 31 must be at least 32"),
        ({"resize": 1025}, "at most 1024"),
        ({"std": (0.5, 0.5, 0.0)}, "std .* must lie between 0.001 and 1"),
        ({"std": (0.5, 0.5, float("nan"))}, "std .* must lie between 0.001 and 1"),
        ({"std": (0.5, 1.1, 0.5)}, "std .* must lie between 0.001 and 1"),
        ({"mean": (0.5, 1.1, 0.5)}, "mean .* must lie between 0 and 1"),
        ({"std": (0.5, 0.5)}, "three numbers"),
        ({"mean": (0.5,)}, "three numbers"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], message: str) -> None:
    values = {"resize": 256, "crop": 224, "interpolation": "bicubic",
              "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}  # fmt: skip
    with pytest.raises(ValueError, match=message):
        PreprocessSpec(**{**values, **change})  # type: ignore[arg-type]  # wrong on purpose
