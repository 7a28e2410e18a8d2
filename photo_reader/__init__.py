"""The one reader of photos: from the bytes of a file to an upright sRGB picture.

For every room that meets photos: the function, the endpoint, training and its data tools, predict,
the demo's sheet. Needs Pillow, and pi_heif for HEIC alone.

In: the bytes of a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIF or AVIF file, told apart by their content.
Out: a Photo in mode RGB, upright, in sRGB, white where it was transparent, 8 bits a sample, often
reduced (`least_px`); or a PhotoError with a Reason and words of our own; or MemoryError,
TimeoutError, ChildProcessError, which are the machine's and may pass.

How: sniff (formats) -> walk the file's structure and rebuild it with only what its pixels need (a
module for each container) -> decode the rebuilt file (decoders) -> reduce (pixels) -> colour ->
white -> turn (here).

Bounds, for any bytes. The walk: one pass in the length of the file, no decoder. Decoding in the
caller's thread: pictures of 4 megapixels, one-pass JPEGs of any size that libjpeg shrinks to 16
megapixels (tens of milliseconds, 64 MB). All else goes to one process beside the caller's (guard),
one photo at a time: CPU_S of CPU time a photo, BUDGET_BYTES of memory, WALL_S of waiting.
"""

from photo_reader.errors import PhotoError, Reason
from photo_reader.formats import ALLOWED as FORMATS
from photo_reader.photo import Photo
from photo_reader.reading import MAX_PIXELS, read, read_light

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "Photo",
    "PhotoError",
    "Reason",
    "read",
    "read_light",
]
