"""Colours of an embedded profile -> sRGB, on the small copy of a picture."""

import hashlib
import threading
from collections import OrderedDict
from typing import Any

from PIL import Image

# Profiles this small hold a matrix and curves, as those of phones, cameras and screens do; larger
# ones hold tables and cost what they say.
LIGHT_PROFILE_BYTES = 16_384
_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK", b"Lab ": "LAB"}
_KEPT_TRANSFORMS = 16
# An sRGB profile changes colours by rounding alone; there are many of them.
_ROUNDING = 3

_transforms: OrderedDict[tuple[bytes, str], Any] = OrderedDict()
_lock = threading.Lock()


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """L, RGB, CMYK, LAB or RGBA -> RGB or RGBA. A broken profile is as none."""
    has_alpha = image.mode == "RGBA"
    colours: Image.Image = image.convert("RGB") if has_alpha else image
    transform = _transform(profile, colours.mode) if profile or colours.mode == "LAB" else None
    if transform:
        colours = _applied(transform, colours)
    elif colours.mode != "RGB":
        colours = colours.convert("RGB")
    if has_alpha:
        colours.putalpha(image.getchannel("A"))
    return colours


def _applied(transform: Any, image: Image.Image) -> Image.Image:
    result: Image.Image = transform.apply(image)
    return result


def _transform(profile: bytes, mode: str) -> Any:
    """None where there is nothing to do."""
    key = hashlib.sha256(profile).digest(), mode
    with _lock:
        if key not in _transforms:
            _transforms[key] = _build(profile, mode)
            if len(_transforms) > _KEPT_TRANSFORMS:
                _transforms.popitem(last=False)
        _transforms.move_to_end(key)
        return _transforms[key]


def _build(profile: bytes, mode: str) -> Any:
    # Imported on demand, like lcms below it: most photos are sRGB and say nothing.
    import io

    from PIL import ImageCms

    srgb = ImageCms.createProfile("sRGB")
    try:
        if mode == "LAB" and _MODES.get(profile[16:20]) != mode:
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif _MODES.get(profile[16:20]) == mode:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        else:
            return None  # made for other pixels than these
        transform = ImageCms.buildTransform(
            source, srgb, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
        )
        return transform if mode != "RGB" or _changes_colours(transform) else None
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _changes_colours(transform: Any) -> bool:
    levels = (0, 64, 128, 192, 255)
    colours = bytes(c for r in levels for g in levels for b in levels for c in (r, g, b))
    before = Image.frombytes("RGB", (len(colours) // 3, 1), colours)
    after = _applied(transform, before)
    return max(abs(a - b) for a, b in zip(colours, after.tobytes(), strict=True)) > _ROUNDING
