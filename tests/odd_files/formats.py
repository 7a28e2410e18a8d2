"""Sound photos: every format, depth, palette and kind of transparency."""

import struct
import zlib
from collections.abc import Callable
from functools import partial

from PIL import Image

from rigs import heic
from tests.odd_files.building import (
    Field,
    big_tiff,
    geometry,
    jpeg_segment,
    jpeg_with,
    png,
    png_chunk,
    saved,
    tiff,
)
from tests.odd_files.case import (
    BLACK,
    BLUE,
    DARK,
    LIGHT,
    ON_WHITE,
    ORANGE,
    SIZE,
    STEPS,
    UNSUPPORTED,
    WHITE,
    Case,
    flag,
    refused,
    steps,
)
from tests.odd_files.profiles import lab


def as_format(format_: str, mode: str = "RGB", **options: object) -> Callable[[], bytes]:
    return lambda: saved(flag().convert(mode), format_, **options)


def frames(format_: str) -> bytes:
    others = [Image.new("RGB", SIZE, "red"), Image.new("RGB", SIZE, "green")]
    return saved(flag(), format_, save_all=True, append_images=others, duration=50)


def palette(format_: str, **options: object) -> bytes:
    return saved(flag().convert("P", palette=Image.Palette.ADAPTIVE), format_, **options)


def flag_of_alpha() -> Image.Image:
    """Blue quarter, the rest transparent with black beneath it."""
    image = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    image.paste((*BLUE, 255), (0, 0, SIZE[0] // 2, SIZE[1] // 2))
    return image


def transparent_palette() -> bytes:
    image = flag().convert("P", palette=Image.Palette.ADAPTIVE)
    return saved(image, "PNG", transparency=image.getpixel((90, 60)))


def samples(values: Callable[[bool], tuple[int, ...]], letter: str) -> bytes:
    """Pixels row by row; `values` of one, which is told whether it lies in the first quarter."""
    row = [values(x < SIZE[0] // 2) for x in range(SIZE[0])]
    plain = values(False)
    upper = b"".join(struct.pack(f"{letter[0]}{len(v)}{letter[1]}", *v) for v in row)
    lower = struct.pack(f"{letter[0]}{len(plain)}{letter[1]}", *plain) * SIZE[0]
    return upper * (SIZE[1] // 2) + lower * (SIZE[1] // 2)


def deep_png(colour: int, values: Callable[[bool], tuple[int, ...]], *chunks: bytes) -> bytes:
    """A 16-bit PNG, which Pillow does not write."""
    pixels = samples(values, ">H")
    width = len(pixels) // SIZE[1]
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    idat = png_chunk(b"IDAT", zlib.compress(rows))
    return png(*SIZE, *chunks, idat, depth=16, colour=colour)


def deep(colour: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(value * 257 for value in colour)


def tiff_of(
    values: Callable[[bool], tuple[int, ...]],
    letter: str,
    bits: int,
    photometric: int,
    *extra: Field,
) -> bytes:
    """One uncompressed strip."""
    pixels = samples(values, letter)
    fields = [*geometry(SIZE, (bits,) * len(values(False)), photometric, pixels), *extra]
    return tiff(fields, pixels, letter[0])


def planar_tiff() -> bytes:
    planes = [band.tobytes() for band in flag().split()]
    starts = [8 + index * len(planes[0]) for index in range(3)]
    fields = [field for field in geometry(SIZE, (8, 8, 8), 2, b"") if field.tag not in (273, 279)]
    fields += [
        Field(273, "LONG", starts),
        Field(279, "LONG", [len(plane) for plane in planes]),
        Field(284, "SHORT", [2]),
    ]
    return tiff(fields, b"".join(planes))


def big(order: str) -> bytes:
    pixels = flag().tobytes()
    fields = [field for field in geometry(SIZE, (8, 8, 8), 2, pixels) if field.tag != 273]
    return big_tiff([*fields, Field(273, "LONG", [16])], pixels, order)


def lab_tiff() -> bytes:
    def values(first: bool) -> tuple[int, ...]:
        lightness, a, b = lab(BLUE if first else ORANGE)
        return round(lightness * 2.55), round(a) & 255, round(b) & 255

    return tiff_of(values, "<B", 8, 8)


def bmp(rows_from_top: bool) -> bytes:
    data = bytearray(saved(flag(), "BMP"))
    if rows_from_top:
        start = int.from_bytes(data[10:14], "little")
        height = -SIZE[1]
        data[22:26] = struct.pack("<i", height)
        stride = SIZE[0] * 3
        rows = [data[at : at + stride] for at in range(start, len(data), stride)]
        data[start:] = b"".join(reversed(rows))
    return bytes(data)


def patched_frame(precision: int | None = None, marker: int | None = None) -> bytes:
    """A JPEG whose frame header says 12 bits, or another process than baseline."""
    data = bytearray(saved(flag(), "JPEG"))
    at = data.find(b"\xff\xc0")
    if marker:
        data[at + 1] = marker
    if precision:
        data[at + 4] = precision
    return bytes(data)


ALPHA = Field(338, "SHORT", [2])
GREY_FLAG = (DARK, LIGHT, LIGHT, LIGHT)
TRANSPARENT_GREY = png_chunk(b"tRNS", struct.pack(">H", 0x1234))

FORMATS: dict[str, Case] = {
    "jpeg": Case(as_format("JPEG", quality=95)),
    "jpeg progressive": Case(as_format("JPEG", quality=95, progressive=True)),
    "jpeg cmyk adobe": Case(as_format("JPEG", "CMYK", quality=95)),
    "jpeg with restart markers": Case(as_format("JPEG", quality=95, restart_marker_rows=1)),
    "jpeg of rgb": Case(as_format("JPEG", quality=95, keep_rgb=True)),
    "jpeg grey": Case(lambda: saved(steps("L", 0x40, 0xC0), "JPEG", quality=95), quarters=STEPS),
    "jpeg with fill bytes": Case(
        lambda: jpeg_with(saved(flag(), "JPEG", quality=95), b"\xff" * 99, jpeg_segment(0xFE, b""))
    ),
    "jpeg with a film behind it": Case(
        lambda: saved(flag(), "JPEG", quality=95) + b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 500
    ),
    "jpeg without its end marker": Case(lambda: saved(flag(), "JPEG", quality=95)[:-2]),
    "mpo": Case(lambda: frames("MPO"), within=25),
    "jpeg lossless": refused(partial(patched_frame, marker=0xC3), UNSUPPORTED),
    "jpeg of 12 bits": refused(partial(patched_frame, precision=12), UNSUPPORTED),
    "png": Case(as_format("PNG")),
    "png palette": Case(partial(palette, "PNG")),
    "png of one bit": Case(
        lambda: saved(steps("L", 0, 255).convert("1"), "PNG"),
        quarters=(BLACK, WHITE, BLACK, WHITE),
    ),
    "apng": Case(partial(frames, "PNG")),
    "webp": Case(as_format("WEBP", quality=95), within=25),
    "webp lossless": Case(as_format("WEBP", lossless=True)),
    "webp animated": Case(partial(frames, "WEBP"), within=25),
    "gif": Case(as_format("GIF")),
    "gif animated": Case(partial(frames, "GIF")),
    "bmp": Case(partial(bmp, rows_from_top=False)),
    "bmp with its rows from the top": Case(partial(bmp, rows_from_top=True)),
    "tiff": Case(as_format("TIFF")),
    "tiff lzw": Case(as_format("TIFF", compression="tiff_lzw")),
    "tiff deflate": Case(as_format("TIFF", compression="tiff_adobe_deflate")),
    "tiff packbits": Case(as_format("TIFF", compression="packbits")),
    "tiff jpeg": Case(as_format("TIFF", compression="jpeg", quality=95)),
    "tiff cmyk": Case(as_format("TIFF", "CMYK")),
    "tiff palette": Case(partial(palette, "TIFF")),
    "tiff pages": Case(partial(frames, "TIFF")),
    "tiff planar": Case(planar_tiff),
    "tiff of one bit, group 4": Case(
        lambda: saved(steps("L", 0, 255).convert("1"), "TIFF", compression="group4"),
        quarters=(BLACK, WHITE, BLACK, WHITE),
    ),
    "tiff lab": Case(lab_tiff),
    "tiff webp": refused(
        lambda: saved(flag(), "TIFF").replace(
            struct.pack("<HHII", 259, 3, 1, 1), struct.pack("<HHII", 259, 3, 1, 50001)
        ),
        UNSUPPORTED,
    ),
    "bigtiff": Case(partial(big, "<")),
    "bigtiff big endian": Case(partial(big, ">")),
    "avif": Case(as_format("AVIF", quality=95), within=25),
    "heic": Case(lambda: heic.UPRIGHT, within=25),
    # More than 8 bits a sample: scaled, not clipped
    "png 16 bit": Case(lambda: saved(steps("I;16", 0x4040, 0xC0C0), "PNG"), quarters=STEPS),
    "png 16 bit colour": Case(lambda: deep_png(2, lambda first: deep(BLUE if first else ORANGE))),
    "tiff 16 bit": Case(lambda: saved(steps("I;16", 0x4040, 0xC0C0), "TIFF"), quarters=STEPS),
    "tiff 16 bit big endian": Case(
        lambda: tiff_of(lambda first: (0x4040 if first else 0xC0C0,), ">H", 16, 1),
        quarters=GREY_FLAG,
    ),
    "tiff 16 bit colour": Case(
        lambda: tiff_of(lambda first: deep(BLUE if first else ORANGE), "<H", 16, 2)
    ),
    "tiff 32 bit": Case(lambda: saved(steps("I", 0x4040, 0xC0C0), "TIFF"), quarters=STEPS),
    "tiff float": Case(lambda: saved(steps("F", 0.25, 0.75), "TIFF"), quarters=STEPS),
    # Transparent parts are white
    "png rgba": Case(lambda: saved(flag_of_alpha(), "PNG"), quarters=ON_WHITE),
    "webp rgba": Case(lambda: saved(flag_of_alpha(), "WEBP", lossless=True), quarters=ON_WHITE),
    "tiff rgba": Case(lambda: saved(flag_of_alpha(), "TIFF"), quarters=ON_WHITE),
    "avif rgba": Case(
        lambda: saved(flag_of_alpha(), "AVIF", quality=95), quarters=ON_WHITE, within=25
    ),
    "gif transparent": Case(lambda: saved(flag_of_alpha(), "GIF"), quarters=ON_WHITE),
    "png palette transparent": Case(transparent_palette, quarters=ON_WHITE),
    "png transparent colour": Case(
        lambda: saved(flag(), "PNG", transparency=ORANGE), quarters=ON_WHITE
    ),
    "png grey with alpha": Case(
        lambda: saved(steps("L", 0x40, 0xC0).convert("LA"), "PNG"), quarters=STEPS
    ),
    "png 16 bit rgba": Case(
        lambda: deep_png(6, lambda first: deep((*BLUE, 255) if first else (0, 0, 0, 0))),
        quarters=ON_WHITE,
    ),
    "png 16 bit grey with a transparent level": Case(
        lambda: deep_png(0, lambda first: (0x4040 if first else 0x1234,), TRANSPARENT_GREY),
        quarters=(DARK, WHITE, WHITE, WHITE),
    ),
    "tiff 16 bit grey with alpha": Case(
        lambda: tiff_of(lambda first: (0x4040, 0xFFFF) if first else (0, 0), "<H", 16, 1, ALPHA),
        quarters=(DARK, WHITE, WHITE, WHITE),
    ),
}  # fmt: skip
