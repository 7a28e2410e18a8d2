"""Raw files of cameras that look like TIFFs: their first picture is a thumbnail, or no picture."""

from collections.abc import Iterator

from photo_reader.errors import PhotoError, unsupported
from photo_reader.tiff_tags import Directory, Tag, directory

# Photometric interpretations of sensors' values: colour filter array and linear raw (DNG 1.7).
_SENSOR = (32803, 34892)
# Compressions of raw values: Nikon, Sony, Pentax, Samsung, Kodak, Epson.
_RAW_COMPRESSIONS = (34713, 32767, 65535, 32770, 65000, 32769)
_NAMES = (
    (b"NIKON", "Nikon NEF"), (b"SONY", "Sony ARW"), (b"PENTAX", "Pentax PEF"),
    (b"RICOH", "Pentax PEF"), (b"SAMSUNG", "Samsung SRW"), (b"CANON", "Canon CR2"),
    (b"HASSELBLAD", "Hasselblad 3FR"), (b"EPSON", "Epson ERF"), (b"EASTMAN KODAK", "Kodak raw"),
    (b"KODAK", "Kodak raw"), (b"LEAF", "Leaf MOS"), (b"MAMIYA", "Mamiya MEF"),
    (b"PHASE ONE", "Phase One IIQ"), (b"OLYMPUS", "Olympus ORF"), (b"PANASONIC", "Panasonic RW2"),
)  # fmt: skip
_BYTE = 1
_MAX_DIRECTORIES = 12


def refuse_raw(data: bytes, first: Directory) -> None:
    """Raises PhotoError where the file holds a sensor's values."""
    if data[8:10] == b"CR" and data[4:8] == b"\x10\0\0\0":
        raise _refusal("Canon CR2")
    if data[8:12] in (b"IIII", b"MMMM"):
        raise _refusal("Phase One IIQ")
    if first.entries.get(Tag.DNG_VERSION, (0, 0))[:2] == (_BYTE, 4):
        raise _refusal("DNG")
    if any(_is_raw(each) for each in _directories(data, first)):
        make = first.content(Tag.MAKE, 200).upper().lstrip()
        name = next((name for start, name in _NAMES if make.startswith(start)), "Camera raw")
        raise _refusal(name)


def _is_raw(each: Directory) -> bool:
    return (
        each.integer(Tag.PHOTOMETRIC, 0) in _SENSOR
        or each.integer(Tag.COMPRESSION, 1) in _RAW_COMPRESSIONS
    )


def _directories(data: bytes, first: Directory) -> Iterator[Directory]:
    """The first one, those below it, and those that follow it, as far as they can be read."""
    yield first
    is_big = data[2:4] in (b"+\0", b"\0+")
    starts = [*first.integers(Tag.SUB_DIRECTORIES, _MAX_DIRECTORIES), first.following]
    for start in starts[:_MAX_DIRECTORIES]:
        try:
            yield directory(data, first.order, is_big, start)
        except PhotoError:
            continue  # only looked at for a sign of raw values; the first picture is another one


def _refusal(name: str) -> PhotoError:
    return unsupported(f"{name} files (raw sensor values) are not accepted; send a JPEG of it")
