"""Where a photo is read: here, or in the guarded process."""

from photo_reader.here import is_heavy, parsed, read_here
from photo_reader.memory import return_large_blocks
from photo_reader.photo import Photo

# 8688 x 5792 and 8160 x 6144, which are sold as 50 megapixels, have more.
MAX_PIXELS = 64_000_000

return_large_blocks()


def read_light(data: bytes, least_px: int, max_pixels: int = MAX_PIXELS) -> Photo | None:
    """What `read` gives, or None for a photo that it would leave to the guarded process.

    Raises PhotoError, MemoryError.
    """
    container = parsed(data, max_pixels)
    return None if is_heavy(container, least_px) else read_here(container, least_px)


def read(
    data: bytes, least_px: int, max_pixels: int = MAX_PIXELS, within_s: float | None = None
) -> Photo:
    """The first picture of a file: upright, sRGB, with white where it is transparent.

    `least_px`: the short side of what comes back is at least this long, or the original's where
    that is shorter. Nothing is enlarged; large pictures may come reduced. A strip longer than 16
    times its short side comes cut to its middle. `within_s`: how long the guarded process may be
    waited for, other photos' turns included; without it, 45 s from this photo's turn.

    Raises PhotoError when this file will never be read; MemoryError, TimeoutError or (the guarded
    process cannot be started) ChildProcessError when the machine is at fault and trying again may
    help.
    """
    if light := read_light(data, least_px, max_pixels):
        return light
    from photo_reader import guard

    return guard.read(data, least_px, max_pixels, within_s)
