"""How a picture looks as a whole, in three numbers: what changes when its camera or light does."""

from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter, ImageStat

# Means do not need every pixel: so many in each direction tell them to a hundredth.
_SAMPLES = 32
# Detail is looked at in the middle, where the subject is.
_CENTRE_PX = 96


@dataclass(frozen=True)
class Look:
    """All from 0 to 1.

    `brightness`: mean luma (ITU-R 601-2, Pillow's L). `saturation`: mean S of HSV; 0 is grey.
    `sharpness`: mean difference between the luma of the middle and the same blurred over 3 x 3
    pixels; hundredths for a sharp photo, thousandths for a blurred one.
    """

    brightness: float
    saturation: float
    sharpness: float


def look_at(picture: Image.Image) -> Look:
    """Of a small upright RGB picture."""
    samples = picture.resize((_SAMPLES, _SAMPLES), Image.Resampling.NEAREST)
    side = min(_CENTRE_PX, *picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    middle = picture.crop((left, top, left + side, top + side)).convert("L")
    detail = ImageChops.difference(middle, middle.filter(ImageFilter.BoxBlur(1)))
    return Look(
        brightness=_mean(samples.convert("L")),
        saturation=_mean(samples.convert("HSV").getchannel("S")),
        sharpness=_mean(detail),
    )


def _mean(channel: Image.Image) -> float:
    return ImageStat.Stat(channel).mean[0] / 255
