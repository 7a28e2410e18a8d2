"""Makes the memory of a decoded picture go back to the system when the picture is freed.

glibc learns from the first large block that is freed to keep such blocks (up to 32 MiB) in its
heaps, one heap for each thread. Pillow's pixels are blocks of 16 MiB: four threads that had decoded
49-megapixel pictures one after another kept 1 GB, and 30 MB with this. Source: mallopt(3),
M_MMAP_THRESHOLD, "the dynamic mmap threshold".
"""

import ctypes

_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK_BYTES = 1 << 20


def return_large_blocks() -> None:
    """For the whole process, and for good. Where the C library is another one nothing happens."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
