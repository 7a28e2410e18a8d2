"""HEIF and AVIF (ISO/IEC 23008-12): boxes, items, and what the primary one is made of.

Only the items that the primary picture needs are read, and written into a new file (iso_write).
What the container says about a picture's size is not believed: the streams' own sizes count.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from photo_reader import icc
from photo_reader.container import Container
from photo_reader.errors import PhotoError, corrupt, truncated, unsupported
from photo_reader.iso_meta import Meta, boxes, meta_of
from photo_reader.iso_write import Item, write
from photo_reader.streams import av1_size, hevc_size

# A 64-megapixel picture in tiles of 512 x 512 has 256.
MAX_ITEMS = 4_000
# Derived pictures within derived pictures; encoders write one level.
_MAX_DEPTH = 3
_STREAMS = {b"hvc1": "HEIF", b"hev1": "HEIF", b"av01": "AVIF"}
_ALPHA_TYPES = (
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0",
    b"urn:mpeg:hevc:2015:auxid:1\0",
)
_KEPT_PROPERTIES = (b"hvcC", b"av1C", b"pixi", b"auxC", b"clap")
# EXIF's orientation for a number of anticlockwise quarter turns and, after them, a mirroring:
# none, top to bottom (`imir` 0), left to right (`imir` 1).
_ORIENTATIONS = {
    None: (1, 8, 3, 6),
    0: (4, 5, 2, 7),
    1: (2, 7, 4, 5),
}


def parse(data: bytes) -> Container:
    """Raises PhotoError."""
    meta, is_cut, has_film = None, False, False
    for name, body, whole in boxes(data):
        is_cut |= not whole
        has_film |= name == b"moov"
        if name == b"meta" and meta is None:
            try:
                meta = meta_of(body[4:])
            except (IndexError, struct.error) as error:
                fault = corrupt if whole else truncated
                raise fault("HEIF or AVIF: the list of its pictures ends too early") from error
    if meta is None:
        if has_film:
            raise unsupported("HEIF or AVIF sequences without a picture are not accepted")
        raise truncated("HEIF or AVIF: the file is cut off before the list of its pictures")
    return _Assembly(data, meta, is_cut).container()


@dataclass(frozen=True)
class _Made:
    """An item of the new file with its size, and how many pixels its streams hold in all."""

    size: tuple[int, int]
    pixels: int


class _Assembly:
    """Gathers what the primary picture needs."""

    def __init__(self, data: bytes, meta: Meta, is_cut: bool) -> None:
        self._data = data
        self._meta = meta
        self._is_cut = is_cut
        self._items: dict[int, Item] = {}
        self._made: dict[int, _Made] = {}
        self._uses = 0
        self._bytes = 0
        self._kind = ""

    def container(self) -> Container:
        primary = self._base(self._meta.primary)
        made = self._add(primary, 0)
        pixels = made.pixels
        alpha = self._alpha_of(primary)
        if alpha is not None:
            pixels += self._add(alpha, 0).pixels
        return Container(
            self._kind,
            (write(self._kind, primary, alpha, list(self._items.values())),),
            made.size,
            self._orientation(primary),
            self._profile(primary),
            is_cut=self._is_cut,
            is_heavy=True,
            claimed=self._claimed(primary),
            decoded_pixels=pixels,
        )

    def _base(self, number: int) -> int:
        """The picture itself where the primary item is its tone-mapped form."""
        if self._meta.kinds.get(number) == b"tmap":
            return next(iter(self._parts(number)), number)
        return number

    def _add(self, number: int, depth: int) -> _Made:
        self._uses += 1
        if self._uses > MAX_ITEMS or depth > _MAX_DEPTH:
            raise corrupt("HEIF or AVIF: its picture is made of too many others")
        if number not in self._made:
            kind = self._meta.kinds.get(number, b"")
            if kind in _STREAMS:
                self._made[number] = self._add_stream(number, kind)
            elif kind == b"grid":
                self._made[number] = self._add_grid(number, depth)
            else:
                raise self._refusal(kind)
        return self._made[number]

    def _fault(self, words: str) -> PhotoError:
        return truncated(words) if self._is_cut else corrupt(words)

    def _refusal(self, kind: bytes) -> PhotoError:
        if not kind:
            return self._fault("HEIF or AVIF: it has no picture")
        name = kind.decode("ascii", "replace") if kind.isalnum() else kind.hex()
        return unsupported(f"HEIF or AVIF files with a picture of type {name} are not accepted")

    def _add_stream(self, number: int, kind: bytes) -> _Made:
        if self._kind not in ("", _STREAMS[kind]):
            raise unsupported("HEIF files with pictures in several codecs are not accepted")
        self._kind = _STREAMS[kind]
        data = self._content(number)
        is_hevc = self._kind == "HEIF"
        config = self._property(number, b"hvcC" if is_hevc else b"av1C")
        if config is None:
            raise self._fault(f"{self._kind}: the picture has no decoder configuration")
        size = (hevc_size if is_hevc else av1_size)(config, data)
        if size is None or min(size) < 1:
            raise self._fault(f"{self._kind}: the picture's stream has no header")
        self._items[number] = Item(number, kind, data, self._kept(number, size))
        return _Made(size, size[0] * size[1])

    def _add_grid(self, number: int, depth: int) -> _Made:
        """Section 6.6.2.3 of ISO/IEC 23008-12."""
        content = self._content(number)
        sides = ">II" if content[1:2] and content[1] & 1 else ">HH"
        if len(content) < 4 + struct.calcsize(sides):
            raise self._fault("HEIF or AVIF: the grid of its tiles says nothing")
        rows, columns = content[2] + 1, content[3] + 1
        width, height = struct.unpack_from(sides, content, 4)
        tiles = self._parts(number)
        if len(tiles) != rows * columns:
            raise corrupt(f"HEIF or AVIF: {len(tiles)} tiles for {rows} x {columns} places")
        if len(set(tiles)) < len(tiles):
            raise corrupt("HEIF or AVIF: the same tile in several places")
        made = [self._add(tile, depth + 1) for tile in tiles]
        across, down = made[0].size
        if any(tile.size != (across, down) for tile in made):
            raise corrupt("HEIF or AVIF: tiles of several sizes in one picture")
        if across * columns < width or down * rows < height:
            raise corrupt(
                f"HEIF or AVIF: the grid says {width} x {height} pixels, "
                f"its tiles hold {across * columns} x {down * rows}"
            )
        item = Item(number, b"grid", content, self._kept(number, (width, height)), tuple(tiles))
        self._items[number] = item
        return _Made((width, height), sum(tile.pixels for tile in made))

    def _content(self, number: int) -> bytes:
        source = self._meta.idat if number in self._meta.in_idat else self._data
        parts = []
        for start, length in self._meta.places.get(number, []):
            end = start + length if length else len(source)
            self._is_cut |= end > len(source)
            parts.append(source[start:end])
        self._bytes += sum(map(len, parts))
        if self._bytes > 2 * len(self._data):
            raise corrupt("HEIF or AVIF: its items overlap")
        return b"".join(parts)

    def _parts(self, number: int) -> list[int]:
        for name, source, targets in self._meta.references:
            if name == b"dimg" and source == number:
                return targets
        return []

    def _alpha_of(self, number: int) -> int | None:
        for name, source, targets in self._meta.references:
            if name == b"auxl" and number in targets:
                kind = self._property(source, b"auxC")
                if kind is not None and kind[4:].startswith(_ALPHA_TYPES):
                    return source
        return None

    def _property(self, number: int, name: bytes) -> bytes | None:
        return next((value for kind, value in self._properties(number) if kind == name), None)

    def _properties(self, number: int) -> Iterator[tuple[bytes, bytes]]:
        for index in self._meta.properties.get(number, []):
            if 0 < index <= len(self._meta.boxes):
                yield self._meta.boxes[index - 1]

    def _kept(self, number: int, size: tuple[int, int]) -> tuple[tuple[bytes, bytes], ...]:
        """The properties that a decoder needs, with the true size."""
        kept = [each for each in self._properties(number) if each[0] in _KEPT_PROPERTIES]
        kept += [
            (kind, value)
            for kind, value in self._properties(number)
            if kind == b"colr" and value.startswith(b"nclx")
        ]
        return (b"ispe", bytes(4) + struct.pack(">II", *size)), *kept

    def _claimed(self, number: int) -> tuple[int, int]:
        claimed = (self._property(number, b"ispe") or b"").ljust(12, b"\0")
        width, height = struct.unpack_from(">II", claimed, 4)
        return width, height

    def _orientation(self, number: int) -> int:
        turns, mirrored = 0, None
        for kind, value in self._properties(number):
            if kind == b"irot" and value:
                # They are applied in their order; mirrored first, it turns the other way round.
                turns = value[0] & 3 if mirrored is None else -value[0] & 3
            elif kind == b"imir" and value:
                mirrored = value[0] & 1
        return _ORIENTATIONS[mirrored][turns]

    def _profile(self, number: int) -> bytes:
        """The picture's own, or its first tile's."""
        for item in (number, *self._parts(number)[:1]):
            colours = [value for kind, value in self._properties(item) if kind == b"colr"]
            for value in colours:
                if value[:4] in (b"prof", b"rICC"):
                    return value[4:] if len(value) <= icc.MAX_PROFILE_BYTES else b""
            for value in colours:
                if value[:4] == b"nclx" and len(value) >= 8:
                    return icc.of_primaries(*struct.unpack_from(">HH", value, 4))
        return b""
