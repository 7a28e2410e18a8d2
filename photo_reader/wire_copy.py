"""The small JPEG that goes over the wire to the endpoint in place of a photo."""

import io
from dataclasses import dataclass

from PIL import Image

from photo_reader import MAX_PIXELS, read
from photo_reader.look import Look, look_at

SHORT_SIDE_PX = 384  # larger than any backbone's input
# The model looks at the centre square; what lies beyond this ratio would only be carried there and
# cut off.
MAX_ASPECT = 4
# Measured with the starter model on test photos, top-1 of the copy against the original's: the same
# for 297 of 300 at 95 and 291 at 90 (224-pixel originals), 119 of 120 at both (3 megapixels).
JPEG_QUALITY = 95
# Resizing goes on from a picture this many times larger than the target; Pillow calls 2.0 close to
# fair resampling and 3.0 indistinguishable from it.
REDUCING_GAP = 3.0


@dataclass(frozen=True)
class WireCopy:
    """`jpeg` is the small copy and `look` how it looks; width and height are the original's."""

    jpeg: bytes
    width: int
    height: int
    look: Look | None = None


def wire_copy(data: bytes, max_pixels: int = MAX_PIXELS, within_s: float | None = None) -> WireCopy:
    """Raises what `read` raises."""
    photo = read(data, SHORT_SIDE_PX, max_pixels, within_s)
    buffer = io.BytesIO()
    picture = _scale(photo.picture)
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return WireCopy(buffer.getvalue(), photo.width, photo.height, look_at(picture))


def _scale(image: Image.Image) -> Image.Image:
    """Short side at most SHORT_SIDE_PX, the long one MAX_ASPECT times that; never enlarged."""
    width, height = image.size
    short = min(width, height)
    crop_w, crop_h = min(width, MAX_ASPECT * short), min(height, MAX_ASPECT * short)
    left, top = (width - crop_w) // 2, (height - crop_h) // 2
    box = (left, top, left + crop_w, top + crop_h)
    ratio = min(1.0, SHORT_SIDE_PX / short)
    size = (max(1, round(crop_w * ratio)), max(1, round(crop_h * ratio)))
    if size == (crop_w, crop_h):
        return image.crop(box)
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=REDUCING_GAP)
