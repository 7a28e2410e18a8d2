"""Sound photos with odd metadata: how they were held, in which colours, and what else they say."""

import math
import random
from collections.abc import Callable
from functools import partial

from PIL import Image, PngImagePlugin

from rigs import heic
from tests.odd_files import profiles
from tests.odd_files.building import (
    ORIENTATION,
    Field,
    deflated_zeros,
    exif,
    geometry,
    jpeg_segment,
    jpeg_with,
    png_chunk,
    png_with,
    saved,
    tiff,
)
from tests.odd_files.case import (
    BLUE,
    FLAG,
    ORANGE,
    SIZE,
    STEPS,
    Case,
    Quarters,
    flag,
    steps,
)

# How a photo is stored by a camera that is held so that viewers must turn it (EXIF 2.32, 4.6.4).
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}, "PNG": {},
    "TIFF": {},
}  # fmt: skip

# Typed or filled as no standard allows; each was met in a photo of somebody.
WRONG_TAGS = {
    "XResolution as SRATIONAL -1/0": Field(0x011A, "SRATIONAL", [-1, 0]),
    "XResolution as ASCII": Field(0x011A, "ASCII", b"72\0"),
    "YResolution as DOUBLE NaN": Field(0x011B, "DOUBLE", [math.nan]),
    "Software as RATIONAL": Field(0x0131, "RATIONAL", [1, 1]),
    "ResolutionUnit as RATIONAL": Field(0x0128, "RATIONAL", [2, 1]),
    "BitsPerSample 70000": Field(0x0102, "LONG", [70000]),
    "ImageWidth -1": Field(0x0100, "SLONG", [-1]),
    "DateTime as 40000 shorts": Field(0x0132, "SHORT", [0] * 20000),
    "an Interop pointer out of place": Field(0xA005, "LONG", [0xFFFFFFF0]),
    "an Exif pointer to itself": Field(0x8769, "LONG", [8]),
    "a GPS pointer as ASCII": Field(0x8825, "ASCII", b"nowhere at all\0"),
}


def held(format_: str, orientation: int) -> bytes:
    stored = flag().transpose(_STORED[orientation]) if orientation > 1 else flag()
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return saved(stored, format_, exif=block, **_OPTIONS[format_])


def turned_by(block: bytes, format_: str = "JPEG") -> bytes:
    """The flag stored as for orientation 6, with this EXIF block."""
    data = saved(flag().transpose(_STORED[6]), format_, **_OPTIONS[format_])
    if format_ == "JPEG":
        return jpeg_with(data, jpeg_segment(0xE1, block))
    return png_with(data, png_chunk(b"eXIf", block.removeprefix(b"Exif\0\0")))


def with_tag(field: Field, order: str, format_: str = "JPEG") -> bytes:
    return turned_by(exif(field, Field(ORIENTATION, "SHORT", [6]), order=order), format_)


def tiff_with_tag(field: Field) -> bytes:
    pixels = flag().transpose(_STORED[6]).tobytes()
    size = SIZE[::-1]
    fields = [*geometry(size, (8, 8, 8), 2, pixels), Field(ORIENTATION, "SHORT", [6]), field]
    return tiff(fields, pixels)


def orientation_as(kind: str) -> bytes:
    return turned_by(exif(Field(ORIENTATION, kind, [6])))


def out_of_range(value: int) -> bytes:
    block = exif(Field(ORIENTATION, "SHORT", [value]))
    return jpeg_with(saved(flag(), "JPEG", quality=95), jpeg_segment(0xE1, block))


def xmp(orientation: int) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        f'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def png_with_xmp() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp(3).decode())
    return saved(flag(), "PNG", pnginfo=text)


def heic_turned(transform: bytes) -> bytes:
    """`transform`: the box irot or imir and its one byte (ISO/IEC 23008-12, 6.5.10 and 6.5.12)."""
    at = heic.TURNED.find(b"irot")
    return heic.TURNED[:at] + transform + heic.TURNED[at + 5 :]


def coloured(space: str, format_: str, mode: str = "RGB", **options: object) -> bytes:
    image = flag(blue=profiles.encoded(BLUE, space), orange=profiles.encoded(ORANGE, space))
    options = {**_OPTIONS.get(format_, {}), **options}
    image = image.convert(mode, palette=Image.Palette.ADAPTIVE)
    return saved(image, format_, icc_profile=profiles.rgb_profile(space), **options)


def grey_of_linear_light() -> bytes:
    dark, light = (profiles.grey_encoded(level, 1.0) for level in (0x40, 0xC0))
    return saved(steps("L", dark, light), "PNG", icc_profile=profiles.grey_profile(1.0))


def inks(format_: str) -> bytes:
    image = Image.new("CMYK", SIZE, (0, 255, 0, 0))
    image.paste((255, 0, 0, 0), (0, 0, SIZE[0] // 2, SIZE[1] // 2))
    profile = profiles.cmyk_profile(BLUE, ORANGE)
    return saved(image, format_, icc_profile=profile, **_OPTIONS[format_])


def large_profile(progressive: bool) -> bytes:
    """A profile in many segments, with every pair of bytes by chance, scan markers among them."""
    noise = {b"chnc": random.Random(7).randbytes(300_000) + b"\xff\xda" * 200}
    space = "red and blue swapped"
    image = flag(blue=profiles.encoded(BLUE, space), orange=profiles.encoded(ORANGE, space))
    profile = profiles.rgb_profile(space, noise)
    return saved(image, "JPEG", quality=95, progressive=progressive, icc_profile=profile)


def of_other_pixels(profile: bytes, format_: str = "JPEG") -> bytes:
    """A profile that is broken, or not made for these pixels: as if there were none."""
    return saved(flag(), format_, icc_profile=profile, **_OPTIONS[format_])


def photoshop_text() -> bytes:
    """Metadata of 3 MB, deflated, as image editors leave it."""
    return png_with(saved(flag(), "PNG"), png_chunk(b"zTXt", b"Raw\0\0" + deflated_zeros(3 << 20)))


def avif_without_ispe() -> bytes:
    return saved(flag(), "AVIF", quality=95).replace(b"ispe", b"free")


def _photo(make: Callable[[], bytes], quarters: Quarters = FLAG, within: int = 8) -> Case:
    return Case(make, quarters=quarters, within=within)


# Three quarter turns back and the mirrors of the flag that HEIC stores lying on its side.
_BLUE_AT = {
    "irot\0": ((96, 64), (BLUE, ORANGE, ORANGE, ORANGE)),
    "irot\1": ((64, 96), (ORANGE, ORANGE, BLUE, ORANGE)),
    "irot\2": ((96, 64), (ORANGE, ORANGE, ORANGE, BLUE)),
    "irot\3": ((64, 96), (ORANGE, BLUE, ORANGE, ORANGE)),
    "imir\0": ((96, 64), (ORANGE, ORANGE, BLUE, ORANGE)),
    "imir\1": ((96, 64), (ORANGE, BLUE, ORANGE, ORANGE)),
}

METADATA: dict[str, Case] = {
    **{
        f"{format_.lower()} held as {orientation}": Case(
            partial(held, format_, orientation), within=25
        )
        for format_ in _OPTIONS
        for orientation in range(1, 9)
    },
    **{
        f"heic with {name[:4]} {ord(name[4])}": Case(
            partial(heic_turned, name.encode()), size=size, quarters=quarters, within=25
        )
        for name, (size, quarters) in _BLUE_AT.items()
    },
    **{
        f"jpeg with {name}": _photo(partial(with_tag, field, "<"))
        for name, field in WRONG_TAGS.items()
    },
    **{
        f"png with {name}": _photo(partial(with_tag, field, ">", "PNG"))
        for name, field in WRONG_TAGS.items()
    },
    **{
        f"tiff with {name}": _photo(partial(tiff_with_tag, field))
        for name, field in WRONG_TAGS.items()
        if field.tag not in (0x0100, 0x0102)
    },
    **{f"orientation as {kind}": _photo(partial(orientation_as, kind)) for kind in ("LONG",)},
    **{
        f"orientation {value}": _photo(partial(out_of_range, value))
        for value in (0, 9, 255, 65535)
    },
    "jpeg with broken exif": _photo(
        lambda: jpeg_with(
            saved(flag(), "JPEG", quality=95),
            jpeg_segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xffgarbage"),
        )
    ),
    # XMP says something else than EXIF, or EXIF nothing: EXIF alone counts
    "jpeg turned by xmp alone": _photo(lambda: saved(flag(), "JPEG", quality=95, xmp=xmp(3))),
    "webp turned by xmp alone": _photo(lambda: saved(flag(), "WEBP", lossless=True, xmp=xmp(3))),
    "png turned by xmp alone": _photo(png_with_xmp),
    "tiff turned by xmp alone": _photo(
        lambda: tiff(
            [*geometry(SIZE, (8, 8, 8), 2, flag().tobytes()), Field(700, "BYTE", list(xmp(3)))],
            flag().tobytes(),
        )
    ),
    "avif turned by xmp alone": _photo(
        lambda: saved(flag(), "AVIF", quality=95, xmp=xmp(3)), within=25
    ),
    "jpeg turned by exif, another way by xmp": _photo(
        lambda: jpeg_with(
            saved(flag().transpose(_STORED[6]), "JPEG", quality=95, xmp=xmp(3)),
            jpeg_segment(0xE1, exif(Field(ORIENTATION, "SHORT", [6]))),
        )
    ),
    # Colours
    **{f"jpeg in {space}": _photo(partial(coloured, space, "JPEG")) for space in profiles.SPACES},
    "png in Display P3": _photo(partial(coloured, "Display P3", "PNG")),
    "png palette in Adobe RGB": _photo(partial(coloured, "Adobe RGB", "PNG", "P")),
    "png with alpha in ProPhoto": _photo(partial(coloured, "ProPhoto", "PNG", "RGBA")),
    "webp in Display P3": _photo(partial(coloured, "Display P3", "WEBP")),
    "tiff in Adobe RGB": _photo(partial(coloured, "Adobe RGB", "TIFF")),
    "avif with red and blue swapped": _photo(
        partial(coloured, "red and blue swapped", "AVIF"), within=25
    ),
    "png grey of linear light": _photo(grey_of_linear_light, STEPS),
    "jpeg of inks": _photo(partial(inks, "JPEG"), within=12),
    "tiff of inks": _photo(partial(inks, "TIFF")),
    "jpeg with a large profile": _photo(partial(large_profile, progressive=False)),
    "progressive jpeg with a large profile": _photo(partial(large_profile, progressive=True)),
    "jpeg with a broken profile": _photo(partial(of_other_pixels, b"no profile at all" * 20)),
    "png with a cut profile": _photo(
        lambda: of_other_pixels(profiles.rgb_profile("Display P3")[:200], "PNG")
    ),
    "jpeg with a profile for grey": _photo(
        lambda: of_other_pixels(profiles.grey_profile(1.0))
    ),
    "jpeg with a profile for inks": _photo(
        lambda: of_other_pixels(profiles.cmyk_profile(ORANGE, BLUE))
    ),
    # What nobody asked for
    "png with a large text": _photo(photoshop_text),
    "png with a damaged text": _photo(
        lambda: png_with(saved(flag(), "PNG"), png_chunk(b"zTXt", b"Raw\0\0no deflate"))
    ),
    "png with a bomb of a profile": _photo(
        lambda: png_with(
            saved(flag(), "PNG"), png_chunk(b"iCCP", b"x\0\0" + deflated_zeros(100 << 20))
        )
    ),
    "png with a damaged checksum of its text": _photo(
        lambda: png_with(
            saved(flag(), "PNG"), png_chunk(b"tEXt", b"Comment\0hello")[:-4] + bytes(4)
        )
    ),
    "avif without ispe": _photo(avif_without_ispe, within=25),
}  # fmt: skip
