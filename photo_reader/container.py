"""What the parsers of files hand to the decoders."""

from dataclasses import dataclass

# A decoder is run in the caller's thread up to this many pixels: 4 million are 16 MB of RGBA.
LIGHT_PIXELS = 4_000_000


@dataclass(frozen=True)
class Container:
    """One picture of a file, without everything that its pixels do not need.

    `files` are complete files of the format `kind`, rebuilt: one, or one for each plane of a planar
    TIFF; a JPEG is in `pieces` instead. `layout` says how their samples make a picture where Pillow
    has no mode for it.
    """

    kind: str
    files: tuple[bytes, ...]
    # Width and height in pixels as stored, before `orientation` (EXIF's 1 to 8) is applied.
    size: tuple[int, int]
    orientation: int = 1
    profile: bytes = b""  # ICC
    layout: str = ""
    # The file ends before its structure does: what then cannot be decoded is cut off, not damaged.
    is_cut: bool = False
    # The decoder's cost is not bounded by a few million pixels: it is run in the guarded process.
    is_heavy: bool = False
    # What the file says of its size where its picture says something else: refused if too large.
    claimed: tuple[int, int] = (0, 0)
    # What the decoder has to produce, where that is more than `size` (tiles, frames).
    decoded_pixels: int = 0
    # The grey value that stands for transparent, in a PNG of 16 bit grey.
    transparent: int | None = None
    # A JPEG's file, one after the other: rebuilt by leaving out alone, it is views of the photo.
    pieces: tuple[bytes | memoryview, ...] = ()
