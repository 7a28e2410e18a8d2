"""The one preprocess function against the reference transform, and what else it must take."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from timm.data import create_transform

from serving.preprocess import PreprocessSpec, pixels, preprocess, upright_rgb
from tests.unit.serving.pictures import SPEC, encoded, picture

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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = picture(80, 60)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transpose that a viewer would reverse
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    stored.getexif()[0x0112] = orientation
    assert np.array_equal(np.asarray(upright_rgb(stored)), np.asarray(upright))


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "LA", "RGBA"])
def test_every_mode_becomes_rgb_of_the_same_picture(mode: str) -> None:
    converted = upright_rgb(picture(mode=mode))
    assert converted.mode == "RGB"
    if mode not in ("1", "L", "P", "LA"):  # the others lose colour, as they must
        difference = np.asarray(converted).astype(int) - np.asarray(picture()).astype(int)
        assert np.abs(difference).mean() < 3


def test_transparency_becomes_white() -> None:
    clear = Image.new("RGBA", (8, 8), (200, 10, 10, 0))
    half = Image.new("LA", (8, 8), (0, 128))
    colour = Image.new("RGB", (8, 8), (200, 10, 10))
    colour.info["transparency"] = (200, 10, 10)
    palette = Image.new("P", (8, 8))
    palette.info["transparency"] = 0
    assert upright_rgb(clear).getpixel((0, 0)) == (255, 255, 255)
    assert upright_rgb(half).getpixel((0, 0)) == (127, 127, 127)
    assert upright_rgb(colour).getpixel((0, 0)) == (255, 255, 255)
    assert upright_rgb(palette).getpixel((0, 0)) == (255, 255, 255)


def test_broken_exif_is_no_exif() -> None:
    data = encoded(picture(80, 60), "PNG", exif=b"Exif\0\0neither II nor MM")
    image = Image.open(io.BytesIO(data))
    image.load()
    assert np.array_equal(np.asarray(upright_rgb(image)), np.asarray(picture(80, 60)))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_shades(kind: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, axis=0)
    image = Image.open(io.BytesIO(encoded(Image.fromarray(ramp), kind)))
    shades = np.asarray(upright_rgb(image))[0, :, 0].astype(int)
    assert np.abs(shades - np.arange(256)).max() <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": 300}, "crop 300"),
        ({"interpolation": "nearest"}, "nearest"),
        ({"std": (0.5, 0.5, 0.0)}, "std above zero"),
        ({"mean": (0.5,)}, "three numbers"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], message: str) -> None:
    values = {"resize": 256, "crop": 224, "interpolation": "bicubic",
              "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}  # fmt: skip
    with pytest.raises(ValueError, match=message):
        PreprocessSpec(**{**values, **change})  # type: ignore[arg-type]  # wrong on purpose
