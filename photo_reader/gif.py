"""GIF89a: the first frame."""

from photo_reader.container import LIGHT_PIXELS, Container
from photo_reader.errors import corrupt, truncated

# Pixels come in blocks of 255 bytes: the largest accepted file has 100,000.
MAX_BLOCKS = 300_000
_EXTENSION, _IMAGE, _CONTROL = 0x21, 0x2C, 0xF9


def parse(data: bytes) -> Container:
    """Raises PhotoError."""
    if len(data) < 13:
        raise truncated("GIF: the file is cut off within its header")
    walk = _Walk(data)
    start = 13 + _table_bytes(data[10])
    frame, control, end = walk.first_frame(start)
    picture = walk.picture(frame, end)
    left, top, width, height = (_uint(data, frame + 1 + 2 * number) for number in range(4))
    if not width or not height:
        raise corrupt(f"GIF: the frame has {width} x {height} pixels")
    # A frame may reach beyond the screen, which then grows.
    size = max(_uint(data, 6), left + width), max(_uint(data, 8), top + height)
    return Container(
        "GIF",
        (data[:start] + control + picture + b"\0;",),
        size,
        is_cut=walk.is_cut,
        is_heavy=size[0] * size[1] > LIGHT_PIXELS,
    )


class _Walk:
    """Goes along the blocks of a file, which are counted."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._blocks = 0
        self.is_cut = False

    def first_frame(self, at: int) -> tuple[int, bytes, int]:
        """Where it begins, the control extension before it, and where its compressed data begin."""
        control = b""
        while at + 2 < len(self._data):
            if self._data[at] == _EXTENSION:
                end = self._after_blocks(at + 2)
                if self._data[at + 1] == _CONTROL:
                    control = self._data[at:end][:8]
                at = end
            elif self._data[at] == _IMAGE and at + 11 <= len(self._data):
                control = control if len(control) == 8 and control[7] == 0 else b""
                return at, control, at + 10 + _table_bytes(self._data[at + 9]) + 1
            else:
                self._count()
                at += 1
        raise truncated("GIF: the file is cut off before its pixels begin")

    def picture(self, frame: int, at: int) -> bytes:
        """The frame with its compressed data, without the empty block that ends them."""
        return self._data[frame : self._after_blocks(at) - (0 if self.is_cut else 1)]

    def _after_blocks(self, at: int) -> int:
        """Behind a row of blocks, each with its length in front, that ends with an empty one."""
        data = self._data
        while at < len(data):
            self._count()
            length = data[at]
            at += 1 + length
            if not length:
                return at
        self.is_cut = True
        return len(data)

    def _count(self) -> None:
        self._blocks += 1
        if self._blocks > MAX_BLOCKS:
            raise corrupt(f"GIF: more than {MAX_BLOCKS} blocks")


def _table_bytes(flags: int) -> int:
    """The size of a colour table, by the byte that announces it (section 18)."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _uint(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")
