"""What goes over the pipes between guard and worker: a few numbers, then bytes."""

import json
import struct

from PIL import Image

from photo_reader.errors import PhotoError, Reason
from photo_reader.photo import Photo

# least_px, max_pixels, length of the file that follows.
REQUEST = struct.Struct(">IQQ")
# One of the kinds below, length of what follows.
REPLY = struct.Struct(">BQ")
PHOTO, REFUSED, SHORT_OF_MEMORY = range(3)
# Width and height of the original, then of the picture, whose RGB values follow.
_SIZES = struct.Struct(">4I")


def packed_photo(photo: Photo) -> tuple[int, bytes]:
    sizes = _SIZES.pack(photo.width, photo.height, *photo.picture.size)
    return PHOTO, sizes + photo.picture.tobytes()


def packed_refusal(error: PhotoError) -> tuple[int, bytes]:
    return REFUSED, json.dumps([error.code, error.message]).encode()


def unpacked(kind: int, body: bytes) -> Photo:
    """Raises the PhotoError or MemoryError that was met on the other side."""
    if kind == REFUSED:
        code, message = json.loads(body)
        raise PhotoError(Reason(code), message)
    if kind == SHORT_OF_MEMORY:
        raise MemoryError(body.decode())
    width, height, *size = _SIZES.unpack_from(body)
    picture = Image.frombytes("RGB", tuple(size), body[_SIZES.size :])
    return Photo(picture, width, height)
