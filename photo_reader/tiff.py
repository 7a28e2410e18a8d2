"""TIFF 6.0 and BigTIFF: the first picture, with a new directory of the few tags that it needs.

Whatever else the file's own directory holds is not read: metadata of any size or type, pointers
out of place, further directories in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from photo_reader.container import LIGHT_PIXELS, Container
from photo_reader.errors import corrupt, unsupported
from photo_reader.icc import MAX_PROFILE_BYTES
from photo_reader.tiff_raw import refuse_raw
from photo_reader.tiff_tags import Directory, Tag, first_directory, rebuilt

# More than one for each row of the largest accepted picture in the shape of a photo.
MAX_STRIPS = 50_000
# Above this number, what Pillow does for each of them counts.
_LIGHT_STRIPS = 2_000
_MAX_SIDE = 1 << 27

_NONE, _OLD_JPEG, _JPEG, _LZMA = 1, 6, 7, 34925
# Those whose cost or memory their pixels do not bound.
_HEAVY_COMPRESSIONS = (_OLD_JPEG, _JPEG, _LZMA)
_COMPRESSIONS = {1, 2, 3, 4, _OLD_JPEG, _JPEG, 5, 8, 32771, 32773, 32809, 32946, _LZMA}
_COMPRESSION_NAMES = {
    9: "JBIG", 10: "JBIG", 34661: "JBIG", 34676: "SGI LogLuv", 34677: "SGI LogLuv",
    33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC", 50000: "Zstandard",
    50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_COLOURS = {0: 1, 1: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3, _LAB: 3}
_PLANES = {0: "L", 1: "L", _RGB: "RGB", _CMYK: "CMYK", _YCBCR: "YCbCr", _LAB: "LAB"}
_UNSIGNED, _SIGNED = 1, 2
# What Pillow does not tell apart, by format and bits of the samples.
_NUMBERS = {(_SIGNED, 16): "signed", (_UNSIGNED, 32): "unsigned"}
# Of ExtraSamples: opacity that the colours are multiplied by, or are not.
_ASSOCIATED, _UNASSOCIATED = 1, 2
_ALPHA = (_ASSOCIATED, _UNASSOCIATED)

# Handed on as they are, by the number of values at most.
_COPIED = {
    Tag.FILL_ORDER: 1, Tag.T4_OPTIONS: 1, Tag.T6_OPTIONS: 1, Tag.PREDICTOR: 1,
    Tag.COLOUR_MAP: 3 * 256, Tag.INK_SET: 1, Tag.YCBCR_SUBSAMPLING: 2, Tag.YCBCR_POSITIONING: 1,
    Tag.JPEG_PROC: 1, Tag.JPEG_START: 1, Tag.JPEG_BYTES: 1, Tag.JPEG_RESTART: 1,
    Tag.JPEG_Q_TABLES: 4, Tag.JPEG_DC_TABLES: 4, Tag.JPEG_AC_TABLES: 4,
}  # fmt: skip

_Tags = dict[int, Sequence[int] | bytes]


@dataclass(frozen=True)
class _Samples:
    """How the pixels are made, by the directory."""

    width: int
    height: int
    photometric: int
    bits: int
    count: int
    extra: tuple[int, ...]
    is_planar: bool
    compression: int
    format: int


@dataclass(frozen=True)
class _Places:
    """Strips or tiles. `width` is the image's for strips."""

    is_tiled: bool
    width: int
    rows: int
    starts: tuple[int, ...]
    sizes: tuple[int, ...]


def parse(data: bytes) -> Container:
    """Raises PhotoError."""
    tags = first_directory(data)
    refuse_raw(data, tags)
    samples = _samples(tags)
    places = _places(tags, samples)
    layout, files = _files(tags, samples, places)
    orientation = tags.integer(Tag.ORIENTATION, 1)
    return Container(
        "TIFF",
        tuple(files),
        (samples.width, samples.height),
        orientation if 1 <= orientation <= 8 else 1,
        tags.content(Tag.ICC_PROFILE, MAX_PROFILE_BYTES),
        layout=layout,
        is_cut=_ends(samples, places) > len(data),
        is_heavy=samples.width * samples.height > LIGHT_PIXELS
        or places.width * places.rows > LIGHT_PIXELS
        or len(places.starts) > _LIGHT_STRIPS
        or samples.compression in _HEAVY_COMPRESSIONS
        or layout.startswith(("LA16", "La16")),
    )


def _samples(tags: Directory) -> _Samples:
    width, height = tags.integer(Tag.WIDTH, 0), tags.integer(Tag.HEIGHT, 0)
    if not (0 < width < _MAX_SIDE and 0 < height < _MAX_SIDE):
        raise corrupt(f"TIFF: the directory says {width} x {height} pixels")
    compression = tags.integer(Tag.COMPRESSION, _NONE)
    if compression not in _COMPRESSIONS:
        name = _COMPRESSION_NAMES.get(compression, f"compression {compression}")
        raise unsupported(f"TIFF files with {name} are not accepted")
    bits = tags.integers(Tag.BITS, 16) or (1,)
    photometric = tags.integer(Tag.PHOTOMETRIC, _RGB if len(bits) > 2 else _WHITE_IS_ZERO)
    if compression == _OLD_JPEG:
        photometric = _YCBCR
    if photometric not in _COLOURS:
        raise unsupported(f"TIFF files of photometric kind {photometric} are not accepted")
    colours = _COLOURS[photometric]
    count = tags.integer(Tag.SAMPLES, 3 if compression == _OLD_JPEG else len(bits))
    formats = tags.integers(Tag.SAMPLE_FORMAT, 16) or (_UNSIGNED,)
    if not 1 <= count <= 8 or len(set(bits[:count])) > 1 or len(set(formats[:count])) > 1:
        raise unsupported(f"TIFF files with {count} samples of several kinds are not accepted")
    if count < colours and not (photometric == _YCBCR and count == 1):
        raise corrupt(f"TIFF: {count} samples where there should be {colours}")
    extra = tags.integers(Tag.EXTRA_SAMPLES, 8)[: max(0, count - colours)]
    is_planar = tags.integer(Tag.PLANAR, 1) == 2 and count > 1
    return _Samples(
        width, height, photometric, bits[0], count, extra, is_planar, compression, formats[0]
    )


def _places(tags: Directory, samples: _Samples) -> _Places:
    is_tiled = Tag.TILE_OFFSETS in tags.entries
    offsets, counts = (
        (Tag.TILE_OFFSETS, Tag.TILE_BYTES) if is_tiled else (Tag.STRIP_OFFSETS, Tag.STRIP_BYTES)
    )
    width, rows = samples.width, tags.integer(Tag.ROWS_PER_STRIP, samples.height)
    if is_tiled:
        width, rows = tags.integer(Tag.TILE_WIDTH, 0), tags.integer(Tag.TILE_HEIGHT, 0)
        # Tiles are multiples of 16, so those at the edges reach beyond the picture.
        if not (0 < width <= samples.width + 4096 and 0 < rows <= samples.height + 4096):
            raise corrupt(f"TIFF: tiles of {width} x {rows} pixels")
    rows = min(max(rows, 1), samples.height + 4096)
    starts = tags.integers(offsets, MAX_STRIPS + 1)
    if len(starts) > MAX_STRIPS:
        raise corrupt(f"TIFF: more than {MAX_STRIPS} strips or tiles")
    if not starts and samples.compression != _OLD_JPEG:
        raise corrupt("TIFF: it does not say where its pixels are")
    sizes = tags.integers(counts, len(starts))
    if samples.compression != _NONE and sum(sizes) > 2 * len(tags.data):
        raise corrupt("TIFF: its strips or tiles overlap")
    return _Places(is_tiled, width, rows, starts, sizes)


def _ends(samples: _Samples, places: _Places) -> int:
    """Where the last byte of pixels should be in the file."""
    sizes: Sequence[int] = places.sizes
    if samples.compression == _NONE and not places.is_tiled and samples.photometric != _YCBCR:
        share = 1 if samples.is_planar else samples.count
        row = -(-samples.width * samples.bits * share // 8)
        sizes = [
            min(places.rows, max(0, samples.height - number * places.rows)) * row
            for number in range(len(places.starts))
        ]
    return max((start + size for start, size in zip(places.starts, sizes, strict=False)), default=0)


def _files(tags: Directory, samples: _Samples, places: _Places) -> tuple[str, list[bytes]]:
    """How the decoded parts make the picture, and a file for each."""
    common: _Tags = {
        tag: values for tag, most in _COPIED.items() if (values := tags.integers(tag, most))
    }
    if tables := tags.content(Tag.JPEG_TABLES, 1 << 16):
        common[Tag.JPEG_TABLES] = tables
    for tag, count in ((Tag.YCBCR_COEFFICIENTS, 3), (Tag.REFERENCE_BLACK_WHITE, 6)):
        if numbers := tags.rationals(tag, count):
            common[tag] = numbers
    common[Tag.COMPRESSION] = (samples.compression,)
    if samples.is_planar:
        return _planes(tags, samples, places, common)
    layout, chosen = _chunky(tags, samples)
    size = (samples.width, samples.height)
    return layout, [rebuilt(tags, common | chosen | _geometry(size, places))]


def _chunky(tags: Directory, samples: _Samples) -> tuple[str, _Tags]:
    """What Pillow knows by another name is given that name."""
    layout, photometric, bits, extra = "", samples.photometric, samples.bits, samples.extra
    is_grey = photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
    if is_grey and samples.count == 2 and bits == 16:
        # Decoded as four bytes a pixel, of which two count; differences are summed up afterwards.
        order = "I" if tags.order == "<" else "M"
        kind = "La" if extra[:1] == (_ASSOCIATED,) else "LA"
        layout = f"{kind}16{order}{tags.integer(Tag.PREDICTOR, 1)}"
        return layout, _description(samples, _RGB, (8,) * 4, (2,)) | {Tag.PREDICTOR: (1,)}
    if is_grey and bits >= 16:
        layout = _NUMBERS.get((samples.format, bits), "")
        # Pillow does not invert wide pixels.
        layout += "inverted" if photometric == _WHITE_IS_ZERO else ""
        photometric = _BLACK_IS_ZERO
    elif is_grey and samples.count == 2 and bits == 8:
        layout = {_ASSOCIATED: "La", _UNASSOCIATED: ""}.get(extra[0] if extra else 0, "L")
        extra = (_UNASSOCIATED,)
    elif photometric == _CMYK:
        if extra[:1] and extra[0] in _ALPHA:
            raise unsupported("CMYK TIFF files with opacity are not accepted")
        extra = (0,) * (samples.count - 4)
    elif photometric == _YCBCR and samples.compression == _NONE:
        # Pillow would take it for something else.
        if tags.integers(Tag.YCBCR_SUBSAMPLING, 2) != (1, 1):
            raise unsupported("uncompressed TIFF files of subsampled colours are not accepted")
        layout, photometric = "YCbCr", _RGB
    elif photometric == _RGB and (extra or samples.count > 4):
        extra = (extra + (0,) * 8)[: samples.count - 3]
    return layout, _description(samples, photometric, (bits,) * samples.count, extra)


def _description(
    samples: _Samples, photometric: int, bits: tuple[int, ...], extra: tuple[int, ...]
) -> _Tags:
    tags: _Tags = {
        Tag.PHOTOMETRIC: (photometric,),
        Tag.BITS: bits,
        Tag.SAMPLES: (len(bits),),
        Tag.PLANAR: (1,),
        Tag.SAMPLE_FORMAT: ((samples.format if samples.format in (1, 2, 3) else 1),) * len(bits),
    }
    return tags | ({Tag.EXTRA_SAMPLES: extra} if extra else {})


def _geometry(
    size: tuple[int, int],
    places: _Places,
    part: slice = slice(None),
    across: int = 1,
    down: int = 1,
) -> _Tags:
    """Where the pixels are: all of them, or those of a plane, which may be a smaller one."""
    width, height = -(-size[0] // across), -(-size[1] // down)
    tags: _Tags = {Tag.WIDTH: (width,), Tag.HEIGHT: (height,)}
    rows = max(1, places.rows // down)
    if places.is_tiled:
        tags |= {Tag.TILE_WIDTH: (max(1, places.width // across),), Tag.TILE_HEIGHT: (rows,)}
        tags |= {Tag.TILE_OFFSETS: places.starts[part], Tag.TILE_BYTES: places.sizes[part]}
    elif places.starts:
        tags |= {Tag.ROWS_PER_STRIP: (rows,), Tag.STRIP_OFFSETS: places.starts[part]}
        tags |= {Tag.STRIP_BYTES: places.sizes[part]}
    return {tag: values for tag, values in tags.items() if values}


def _planes(
    tags: Directory, samples: _Samples, places: _Places, common: _Tags
) -> tuple[str, list[bytes]]:
    """Each plane as a grey picture of its own."""
    layout = _PLANES.get(samples.photometric, "")
    if samples.bits not in (8, 16) or samples.format != _UNSIGNED or not layout:
        raise unsupported(f"planar TIFF files of {samples.bits} bits a sample are not accepted")
    if samples.photometric in (0, 1, _RGB) and samples.extra[:1] and samples.extra[0] in _ALPHA:
        layout += "a" if samples.extra[0] == _ASSOCIATED else "A"
    shared = (*tags.integers(Tag.YCBCR_SUBSAMPLING, 2), 2, 2)[:2] if layout == "YCbCr" else (1, 1)
    each = len(places.starts) // samples.count
    files = []
    for number in range(3 if layout in ("YCbCr", "LAB") else len(layout)):
        across, down = shared if number else (1, 1)
        if not (1 <= across <= 4 and 1 <= down <= 4):
            raise corrupt(f"TIFF: colours shared by {across} x {down} pixels")
        part = slice(number * each, (number + 1) * each)
        description = _description(samples, _BLACK_IS_ZERO, (samples.bits,), ())
        geometry = _geometry((samples.width, samples.height), places, part, across, down)
        files.append(rebuilt(tags, common | description | geometry))
    return layout, files
